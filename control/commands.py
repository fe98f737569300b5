"""What each command does that runs no flow: those are in control/turning.py."""

import dataclasses
import os
import sys
from contextlib import suppress
from pathlib import Path

from control.answers import Answer
from control.progress import counting, stepping
from control.running import as_up, bring_down
from control.stack import Stack, interrupted_by_signals
from data.credentials import USER, credentials, credentials_file
from data.files import count_rows
from data.parts import WHOLE, Part
from keepfit.loading import absolute, load_project
from keepfit.settings import ROOT, Settings
from tasks.loop import Loop, open_loop


def up(where: str, *, as_json: bool, replay: bool, public: bool) -> None:
    """Check the project, start every process, print the addresses, and stay."""
    from control.beyond import reached_by_others
    from data.signing import make_key
    from tasks.check import require_working

    place = absolute(where)
    project = load_project(place)
    settings = Settings.from_env()
    if public or not settings.is_local:
        settings = reached_by_others()
    settings = dataclasses.replace(settings, replay=settings.replay or replay)
    make_key(settings.key_file, settings.trusted_folder)
    with stepping("checking the project"):
        require_working(project)
    settings.landing(project.name).mkdir(parents=True, exist_ok=True)
    with interrupted_by_signals(), Stack(settings, place, project.name, say=_say) as stack:
        told = [dataclasses.asdict(address) for address in stack.addresses()]
        print_out(told if as_json else _table(stack))
        if credentials(settings) is not None:
            file = credentials_file(settings)
            _say(f"  {file} has the passwords for Prefect, whose page takes {USER}:PASSWORD, and MLflow")
        with suppress(KeyboardInterrupt):  # how it is meant to end
            stack.supervise()


def down() -> Answer:
    """End the stack of this home."""
    ended = bring_down(Settings.from_env())
    return Answer(["everything is down" if ended else "nothing was up"], {"ended": ended})


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


def import_history(where: str, file: Path, part: Part = WHOLE) -> Answer:
    """Take in a file of history, or a part of it."""
    from tasks.collect import import_file

    loop = open_loop(absolute(where))
    with counting(f"importing {file.name}", count_rows(file) if file.is_file() else None) as progress:
        taken = import_file(loop, file, progress, part)
    lines = [
        f"{file.name}: {taken.predictions} rows and {taken.labels} labels taken in, "
        f"{taken.quarantined} set aside"
    ]
    if part.bounded:
        lines.append(f"  {taken.left_out} rows left out: they are not {part}")
    if taken.quarantined:
        lines += _reasons(loop)
    told = {"rows": taken.predictions, "labels": taken.labels, "quarantined": taken.quarantined}
    return Answer(lines, {**told, "left_out": taken.left_out} if part.bounded else told)


def rotate_key(*, finish: bool) -> Answer:
    """Make the next key that bundles are signed with, or sign with it from now on."""
    from control.orchestrator import sign_in
    from data.store import Store
    from tasks.rotate import Rotation

    settings = as_up(Settings.from_env())
    sign_in(settings)
    rotation = Rotation(settings, Store(settings.store_url))
    if not finish:
        public = rotation.prepare()
        lines = [
            f"the next key is made, and trusted here: {public}",
            "put this file where other servers have their trusted keys (KEEPFIT_TRUSTED_KEYS), then run",
            "bin/keepfit rotate-key --finish",
        ]
        return Answer(lines, {"public_key": str(public)})
    done = rotation.finish()
    lines = [
        f"bundles are signed with the key {done.new[:12]} from now on, {done.signed} promoted ones anew",
        f"the key {done.old[:12]} is trusted here no longer; take it from other servers' trusted keys too",
        *(f"  left as it is: {reason}" for reason in done.left),
    ]
    return Answer(lines, dataclasses.asdict(done))


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


def _because(error: str | None) -> str:
    return "" if error is None else f": {error}"
