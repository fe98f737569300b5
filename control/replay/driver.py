"""Drive a file through the service and the flows, step by step, and say what came of it."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from control.answers import Answer
from control.orchestrator import outlasting, paused
from control.replay.callers import Callers
from control.replay.checkpoint import Checkpoint, Policy, Step, read_checkpoint, told, write_checkpoint
from control.replay.policies import Policies
from control.replay.span import Span, choose_span
from control.replay.telling import collected_line, decided_line, say, scores_line, told_to_person
from control.replay.traffic import Traffic, read_traffic
from control.running import running
from control.stack import interrupted_by_signals
from control.turning import on_stack
from data.bundles import sha256
from data.examples import count_imported
from data.files import content_hash
from data.promotions import Promotion
from keepfit.errors import RequestRefused, StackError, StateError
from keepfit.gates import Scores
from keepfit.settings import Settings
from keepfit.tls import client_context
from serving.client import Client
from tasks.loop import Loop, open_loop

T = TypeVar("T")
Say = Callable[[str], None]


def replay(
    where: str, path: Path, since: datetime | None, until: datetime | None, every: timedelta
) -> Answer:
    """Drive a labelled file through the running service; an interrupted replay goes on where it was."""
    place = on_stack(where)
    _require_replaying(place.settings)
    loop = open_loop(place.where, place.settings)
    with interrupted_by_signals(), paused(place.name):
        turning = Replay(loop, place.where, path, say)
        turning.begin(since, until, every)
        try:
            turning.run()
        except KeyboardInterrupt:
            say("interrupted; the same command goes on from here")
            raise
    present = running(place.settings)
    summary = {**turning.summary(), "urls": {a.name: a.url for a in (present.addresses if present else ())}}
    return Answer(told_to_person(summary), summary)


def _require_replaying(settings: Settings) -> None:
    key, trusted = settings.api_key, client_context(settings)
    with Client(settings.serving_url, key=key, trusted=trusted) as client:
        try:
            replays = client.model().replay
        except RequestRefused as refusal:
            if refusal.status not in (401, 403):
                raise
            msg = f"{refusal}; set KEEPFIT_API_KEY to a key that may predict, feedback and read"
            raise StackError(msg) from refusal
        if not replays:
            msg = (
                f"the service at {settings.serving_url} keeps its own clock; end it with bin/keepfit down, "
                "and start bin/keepfit up --replay, best on a KEEPFIT_HOME of its own"
            )
            raise StackError(msg)


class Replay:
    """One replay of a file, begun or continued; `run` drives it to its end and may be interrupted."""

    def __init__(self, loop: Loop, where: str, path: Path, say: Say) -> None:
        self._loop, self._where, self._path, self._say = loop, where, path, say
        champion = loop.ledger.champion()
        if champion is None:
            msg = f"{loop.name} has no champion yet: import history, then bin/keepfit retrain --as-of T"
            raise StateError(msg)
        self._champion = champion

    def begin(self, since: datetime | None, until: datetime | None, every: timedelta) -> None:
        """Read the file, and find how far an earlier replay of the same came."""
        file = content_hash(self._path)
        traffic, left_out = read_traffic(self._loop.project, self._path)
        if left_out:
            self._say(
                f"{self._path.name}: {len(left_out)} rows are left out; the first because {left_out[0]}"
            )
        asked = f"{file}\n{since}\n{until}\n{every}"
        self._home = self._loop.settings.replays(self._loop.name) / f"{sha256(asked.encode())[:16]}.json"
        self.checkpoint = read_checkpoint(self._home) or self._new(traffic, since, until, every)
        self._traffic = traffic.between(self.checkpoint.since, self.checkpoint.until)
        self._policies = Policies(self._loop, self.checkpoint)

    def summary(self) -> dict[str, Any]:
        """Say what was sent, what was decided, and how the loop did beside the other policies."""
        done, entries = self.checkpoint, self._promotions()
        promoted = [entry for entry in entries if entry.kind == "retrain"]
        retrained = [step for step in done.steps if step.decision is not None]
        return {
            "requests": done.requests,
            "failed_requests": done.failed_requests,
            "uncaptured": done.uncaptured,
            "refused_rows": done.refused_rows,
            "labels": done.labels,
            "quarantined": done.quarantined,
            "retrainings": len(retrained),
            "promotions": len(promoted),
            "refusals": len(retrained) - sum(step.promoted for step in retrained),
            "drifts": sum(bool(step.drift) for step in done.steps),
            "retrainings_avoided": len(done.steps) - len(retrained),
            "drifts_without_retraining": sum(
                bool(step.drift) and step.decision is None for step in done.steps
            ),
            "swaps": sum(entry.workers or 0 for entry in entries),
            **{policy: done.totals(policy) for policy in ("frozen", "loop", "always")},
            "steps": msgspec.to_builtins(done.steps),
            "seconds": done.seconds,
        }

    def run(self) -> None:
        """Go on from the last step that is over; every step can be done again with the same end."""
        done = self.checkpoint
        span = Span(done.since, done.until, timedelta(seconds=done.every_s))
        left = [end for end in span.steps() if end > done.done_until]
        if not left:
            self._say("this replay came to its end before; nothing is left to do")
        elif done.sent_until > done.since:
            self._say(f"going on where it was interrupted, after {done.done_until:%d %B %Y %R}")
        settings = self._loop.settings
        with Callers(settings.serving_url, settings.api_key, client_context(settings)) as callers:
            callers.remember(self._traffic.due(done.since, done.done_until).predictions)
            for end in left:
                self._send(callers, end)
                self._turn(end)

    def _new(
        self, traffic: Traffic, since: datetime | None, until: datetime | None, every: timedelta
    ) -> Checkpoint:
        span = choose_span(traffic, self._champion, since, until, every)
        self._refuse_known(span)
        return Checkpoint(
            file=self._path.name,
            since=span.since,
            until=span.until,
            every_s=every.total_seconds(),
            frozen=self._champion.version or 0,
            promotions_before=self._champion.number,
            sent_until=span.since,
            always=[Policy(span.since, self._champion.version or 0)],
        )

    def _refuse_known(self, span: Span) -> None:
        """Refuse to send what history has already: a model would learn from each row twice."""
        known = count_imported(self._loop.store, self._loop.project, span.since, span.until)
        if known:
            msg = (
                f"{known} rows from {span.since:%FT%RZ} on are history already, and would be counted twice; "
                "begin with an empty KEEPFIT_HOME, and import with --until what comes before the replay"
            )
            raise StateError(msg)

    def _save(self) -> None:
        write_checkpoint(self._home, self.checkpoint)

    def _turn(self, end: datetime) -> None:
        """Run the flows as of a step's end, and note what they found and decided."""
        from flows.feedback import feedback
        from flows.retrain import retrain
        from flows.watch import watch

        done, where = self.checkpoint, self._where
        taken = self._flow("feedback", lambda: feedback(where, end))
        self._say(f"  feedback: {collected_line(taken)}")
        watched = self._flow("watch", lambda: watch(where, end))
        self._say(f"  watch: {watched.sentence}")
        judged = watched.judged
        asked = None if judged is None or judged.reason is None else judged.reason.evidence
        decision = None
        if asked is not None:
            decision = self._flow("retrain", lambda: retrain(where, asked, end, "watch"))
        with done.timed("scores"):
            rows, scores = self._scores(end)
        if decision is not None and decision.version is not None and not decision.rehearsal:
            done.always = [*done.always, Policy(end, decision.version)]
        champion = self._loop.ledger.champion()
        step = Step(
            as_of=end,
            rows=rows,
            drift=None if judged is None else judged.verdict.drift,
            reason=asked,
            withheld=None if judged is None else judged.withheld,
            decision=None if decision is None else told(decision),
            promoted=any(entry.as_of == end and entry.kind == "retrain" for entry in self._promotions()),
            version=None if champion is None else champion.version,
            scores=scores,
            report=None if watched.report is None else str(watched.report.page),
        )
        if decision is not None:
            self._say(f"  retrain: {decided_line(decision)}")
        self._say(f"  scores: {scores_line(self._loop.project.primary, step)}")
        done.quarantined += taken.collected.quarantined
        done.steps = [*done.steps, step]
        self._save()

    def _flow(self, name: str, run: Callable[[], T]) -> T:
        with self.checkpoint.timed(name):
            return outlasting(self._loop.settings, run, self._say)

    def _scores(self, end: datetime) -> tuple[int, Mapping[str, Scores]]:
        done = self.checkpoint
        known = {label.prediction_id for label in self._traffic.due(done.done_until, end).labels}
        due = [p.predicted_at for p in self._traffic.predictions if p.prediction_id in known]
        return self._policies.scores(done.done_until, end, min(due, default=end))

    def _promotions(self) -> list[Promotion]:
        """The ledger's entries since the replay began."""
        return [e for e in self._loop.ledger.history() if e.number > self.checkpoint.promotions_before]

    def _send(self, callers: Callers, end: datetime) -> None:
        done = self.checkpoint
        if done.sent_until >= end:
            return
        due = self._traffic.due(done.done_until, end)
        self._say(
            f"{end:%d %B %Y}: {len(due.predictions)} rows fall due, {len(due.labels)} labels become known"
        )
        with done.timed("traffic"):
            sent = callers.send(due)
        done.requests += sent.requests
        done.failed_requests += sent.failed
        done.labels += sent.labels
        done.uncaptured += sent.uncaptured
        done.refused_rows += sent.refused.total()
        done.sent_until = end
        self._save()
        if sent.refused:
            reason, count = sent.refused.most_common(1)[0]
            self._say(f"  the service refused {sent.refused.total()} of them, {count} because {reason}")
