"""What each command does; an answer says itself as text and as JSON."""

import dataclasses
import os
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from control.orchestrator import require_prefect, use_stack
from control.progress import counting, stepping
from control.running import bring_down, running
from control.stack import Stack, interrupted_by_signals
from data.decisions import read_decisions
from data.files import count_rows
from data.records import now
from data.releases import read_statuses
from keepfit.errors import StackError
from keepfit.loading import absolute, load_project
from keepfit.settings import ROOT, Settings
from tasks.loop import Loop, open_loop


@dataclass(frozen=True)
class Answer:
    """What a command has to say: lines for a person, and the same for a program."""

    lines: list[str]
    told: dict[str, Any] = field(default_factory=dict[str, Any])
    ok: bool = True

    def text(self) -> str:
        """Say it to a person."""
        return "\n".join(self.lines)

    def json(self) -> dict[str, Any]:
        """Say it to a program."""
        return self.told


def up(where: str, *, as_json: bool) -> None:
    """Check the project, start every process, print the addresses, and stay."""
    from tasks.check import require_working

    place = absolute(where)
    project = load_project(place)
    settings = Settings.from_env()
    with stepping("checking the project"):
        require_working(project)
    settings.landing(project.name).mkdir(parents=True, exist_ok=True)
    with interrupted_by_signals(), Stack(settings, place, project.name, say=_say) as stack:
        told = [dataclasses.asdict(address) for address in stack.addresses()]
        print_out(told if as_json else _table(stack))
        with suppress(KeyboardInterrupt):  # how it is meant to end
            stack.supervise()


def down() -> Answer:
    """End the stack of this home."""
    ended = bring_down(Settings.from_env())
    return Answer(["everything is down" if ended else "nothing was up"], {"ended": ended})


def status(where: str) -> Answer:
    """Say what is going on, from the store and the workers' own status files."""
    settings = Settings.from_env()
    loop = open_loop(absolute(where), settings)
    champion = loop.ledger.champion()
    stack = running(settings)
    if stack is not None and stack.name != loop.name:
        stack = None  # what is up here serves another project
    workers = read_statuses(loop.journal, now())
    decisions = read_decisions(loop.store, loop.name, limit=3)
    waiting = loop.quarantine.count()
    state = f"not up: bin/keepfit up -p {where}" if stack is None else "up" if stack.ready else "starting"
    lines = [f"{loop.name}: {state}"]
    lines.append(f"champion: {_champion_line(loop)}")
    lines += [
        f"worker {w.pid}: version {w.version}, generation {w.generation}{_because(w.error)}" for w in workers
    ]
    lines += [f"decided {decision.as_of:%F %R}: {decision.sentence}" for decision in decisions]
    lines.append(f"quarantine: {waiting} waiting")
    lines += _reasons(loop)
    lines += [f"{address.name}: {address.url}" for address in (stack.addresses if stack else ())]
    told = {
        "project": loop.name,
        "up": stack is not None,
        "champion": None if champion is None else dataclasses.asdict(champion),
        "workers": [
            {"pid": w.pid, "version": w.version, "generation": w.generation, "error": w.error}
            for w in workers
        ],
        "decisions": [dataclasses.asdict(decision) for decision in decisions],
        "quarantine": waiting,
        "addresses": [dataclasses.asdict(address) for address in (stack.addresses if stack else ())],
    }
    return Answer(lines, told)


def check(where: str) -> Answer:
    """Try a project on made rows."""
    from tasks.check import check_project

    project = load_project(absolute(where))
    with stepping("checking"):
        trials = check_project(project)
    ok = all(trial.objection is None for trial in trials)
    lines = [f"{'ok  ' if t.objection is None else 'FAIL'} {t.name}{_because(t.objection)}" for t in trials]
    lines.append(f"{project.name} {'can be served' if ok else 'is refused'}")
    return Answer(lines, {"ok": ok, "trials": [dataclasses.asdict(trial) for trial in trials]}, ok)


def import_history(where: str, file: Path) -> Answer:
    """Take in a file of history."""
    from tasks.collect import import_file

    loop = open_loop(absolute(where))
    with counting(f"importing {file.name}", count_rows(file) if file.is_file() else None) as progress:
        taken = import_file(loop, file, progress)
    lines = [
        f"{file.name}: {taken.predictions} rows and {taken.labels} labels taken in, "
        f"{taken.quarantined} set aside"
    ]
    if taken.quarantined:
        lines += _reasons(loop)
    told = {"rows": taken.predictions, "labels": taken.labels, "quarantined": taken.quarantined}
    return Answer(lines, told)


def retrain(where: str, reason: str, as_of: datetime | None) -> Answer:
    """Run the retrain flow in this process against the Prefect server that is up."""
    place, settings, _ = _with_stack(where)
    with stepping("retraining", "flows.steps"):
        from flows.retrain import retrain as flow

        decision = flow(place, reason, aware(as_of))
    lines = [decision.sentence]
    if decision.challenger_scores:
        beside = decision.champion_scores or {}
        lines += [
            f"  {name}: {score:.4f}" + (f" (champion {beside[name]:.4f})" if name in beside else "")
            for name, score in decision.challenger_scores.items()
        ]
    lines.append(f"  the run: {settings.prefect_url}/runs, the version: {settings.mlflow_url}")
    return Answer(lines, dataclasses.asdict(decision))


def rollback(where: str, to: int | None, reason: str) -> Answer:
    """Run the rollback flow in this process."""
    place, _, _ = _with_stack(where)
    with stepping("rolling back", "flows.steps"):
        from flows.rollback import rollback as flow

        done = flow(place, to, reason)
    said = done.objection or f"{done.workers} workers serve it"
    ok = done.objection is None
    return Answer([f"version {done.replaced} -> {done.version}: {said}"], dataclasses.asdict(done), ok)


def serve(where: str, port: int | None, workers: int | None) -> None:
    """Become the prediction service of a project."""
    project = load_project(absolute(where))
    given = {"serving_port": port, "workers": workers, "project_name": project.name}
    settings = dataclasses.replace(
        Settings.from_env(), **{name: value for name, value in given.items() if value is not None}
    )
    os.chdir(ROOT)
    # A process of its own: what this command line imported is not what a server should carry.
    os.execve(
        sys.executable,
        [sys.executable, "-m", "serving"],
        {**inherited(), **settings.environment()},
    )


def aware(as_of: datetime | None) -> datetime | None:
    """Take a time without an offset as UTC."""
    return as_of.replace(tzinfo=UTC) if as_of is not None and as_of.tzinfo is None else as_of


def inherited() -> dict[str, str]:
    """Return this process's environment, for a child."""
    from keepfit.settings import inherited_environment

    return inherited_environment()


def print_out(told: object) -> None:
    """Print lines, or JSON, at once."""
    import json

    text = told if isinstance(told, str) else json.dumps(told, indent=2)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _with_stack(where: str) -> tuple[str, Settings, str]:
    place = absolute(where)
    project = load_project(place)
    settings = Settings.from_env()
    if (present := running(settings)) is not None and present.name != project.name:
        msg = f"{settings.home} is up for {present.name}, not {project.name}; end that with bin/keepfit down"
        raise StackError(msg)
    if present is not None and not present.ready:
        msg = f"{project.name} is still starting; try again when bin/keepfit up has printed its addresses"
        raise StackError(msg)
    require_prefect(settings)
    use_stack(settings, place, project.name)
    return place, settings, project.name


def _reasons(loop: Loop) -> list[str]:
    """Say why rows wait in quarantine: the commonest reasons, and how many more rows have others."""
    told = loop.quarantine.reasons()
    lines = [f"  {count} x {reason}" for reason, count in told]
    others = loop.quarantine.count() - sum(count for _, count in told)
    return [*lines, f"  {others} for other reasons"] if others else lines


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _table(stack: Stack) -> str:
    addresses = stack.addresses()
    width = max(len(a.name) for a in addresses)
    url = max(len(a.url) for a in addresses)
    lines = [f"  {a.name:<{width}}  {a.url:<{url}}  {a.what}" for a in addresses]
    return "\n".join(["", *lines, "", "  Ctrl-C ends everything."])


def _champion_line(loop: Loop) -> str:
    champion = loop.ledger.champion()
    if champion is None:
        return "none yet: import history, then retrain"
    since = champion.recorded_at or champion.as_of
    return f"version {champion.version} since {since:%F %R} by {champion.kind}, because: {champion.reason}"


def _because(error: str | None) -> str:
    return "" if error is None else f": {error}"
