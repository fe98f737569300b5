"""Begin with a file: look at it, draft a project, and say what comes next."""

from dataclasses import dataclass
from pathlib import Path

from control.answers import Answer
from control.drafting.draft import Draft, draft, project_name
from control.drafting.facts import look
from control.drafting.roles import Asked, Role
from control.drafting.template import column, written
from control.progress import stepping
from keepfit.errors import ProjectRefused
from keepfit.soundness import NAME_RULE, is_name


@dataclass(frozen=True)
class Place:
    """What the project is to be called, and where its file goes; None is chosen by the name of the file."""

    name: str | None = None
    out: Path | None = None


def new(file: Path, asked: Asked, place: Place) -> Answer:
    """Draft a project for a file of history; a file that is there is never written over."""
    name = place.name or project_name(file.stem)
    if not is_name(name):
        msg = f"--name {name!r}: {NAME_RULE}"
        raise ProjectRefused(msg)
    out = place.out or Path(f"{name}.py")
    _refuse_to_overwrite(out)
    with stepping(f"looking at {file.name}"):
        drafted = draft(look(file), asked, name)
    text = written(drafted)
    compile(text, str(out), "exec")  # what is no Python must not be left behind
    try:
        with out.open("x", encoding="utf-8") as coming:
            coming.write(text)
    except FileExistsError:
        _refuse_to_overwrite(out)
    except OSError as fault:
        msg = f"{out}: cannot be written: {fault.strerror}; name another place with --out"
        raise ProjectRefused(msg) from fault
    return Answer(_lines(drafted, file, out), _told(drafted, out))


def _refuse_to_overwrite(out: Path) -> None:
    if out.exists():
        msg = f"{out}: is there already and is not written over; name another with --out, or move it away"
        raise ProjectRefused(msg)


def _lines(drafted: Draft, file: Path, out: Path) -> list[str]:
    roles, target = drafted.roles, drafted.target
    kinds = {"binary": "yes or no", "regression": "a number"}
    kind = kinds.get(target.kind, f"one of {len(target.classes)} classes")
    known = "at once" if roles.label_time is None else f"at {_said(roles.label_time)}"
    lines = [
        f"{out}: drafted from {drafted.sight.rows} rows of {file.name}",
        f"  predicts {_said(roles.target)}: {kind}",
        f"  of the time {_said(roles.time)}; its label is known {known}",
        f"  from {len(drafted.features)} columns: {', '.join(g.name for g in drafted.features)}",
    ]
    if drafted.left_out:
        lines.append(f"  left out, with the reason: {', '.join(g.name for g in drafted.left_out)}")
    return [
        *lines,
        f'next: read each line of {out} that says "guessed", and correct it; then',
        f"  bin/keepfit check -p {out}",
        f"  bin/keepfit import {file} -p {out}",
    ]


def _said(role: Role) -> str:
    return f"{role.name} (guessed)" if role.guess else role.name


def _told(drafted: Draft, out: Path) -> dict[str, object]:
    roles = drafted.roles
    return {
        "project": drafted.name,
        "file": str(out),
        "rows": drafted.sight.rows,
        "target": {"name": drafted.target.name, "kind": drafted.target.kind},
        "time": roles.time.name,
        "label_time": None if roles.label_time is None else roles.label_time.name,
        "reference": None if roles.reference is None else roles.reference.name,
        "features": {g.name: column(g.column) for g in drafted.features if g.column is not None},
        "left_out": {g.name: g.why for g in drafted.left_out},
    }
