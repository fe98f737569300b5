"""bin/keepfit notify add | list | try | remove: who is told what happened, and whether that arrives."""

import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from control.answers import Answer
from control.options import JsonOption, ProjectOption, answer
from control.orchestrator import answering
from keepfit.errors import ReceiverUnknown
from keepfit.loading import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Generator

    from control.receivers import Receiver
    from control.turning import Place
    from monitoring.notices import Notice

app = typer.Typer(
    no_args_is_help=True, help="Tell a mailbox, a chat or a webhook what happened (needs `up`)."
)

ReceiverArgument = Annotated[
    str, typer.Argument(help="A name for an address, or a block in Prefect: slack-webhook/on-call.")
]
_OURS = "apprise-address"
_NOBODY = "nobody is told; bin/keepfit notify add NAME asks for the address of a mailbox, a chat or a webhook"
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@app.command()
def add(name: ReceiverArgument, project: ProjectOption = DEFAULT, as_json: JsonOption = False) -> None:
    """Send a notice to try it, and tell it from now on; the address is asked for, or read from a pipe."""
    answer(added(project, name), as_json)


@app.command("list")
def list_(project: ProjectOption = DEFAULT, as_json: JsonOption = False) -> None:
    """Say who is told, and whether the last notice to each arrived; never an address."""
    answer(listed(project), as_json)


@app.command("try")
def try_(project: ProjectOption = DEFAULT, as_json: JsonOption = False) -> None:
    """Send a notice to everybody who is told."""
    answer(tried(project), as_json)


@app.command()
def remove(name: ReceiverArgument, project: ProjectOption = DEFAULT, as_json: JsonOption = False) -> None:
    """Tell it no more; its block stays in Prefect."""
    answer(removed(project, name), as_json)


def added(where: str, name: str) -> Answer:
    """Try a receiver, and tell it from now on only if it took the notice."""
    own = "/" not in name
    if own and _NAME.fullmatch(name) is None:
        msg = f"the name {name!r}: expected small letters, digits and dashes between them, as on-call"
        raise ReceiverUnknown(msg)
    with _prefect(where) as place:
        from control import receivers

        made = receivers.addressed(_address(name)) if own else None
        block, number = receivers.found(name) if made is None else (made, None)
        refused = receivers.send(block, _trial(place), place.settings.console_url)
        if refused is not None:
            said = f"{name} is not told: it took no notice: {refused}"
            return Answer([said], {"name": name, "failed": refused}, ok=False)
        number = receivers.save(made, name) if made is not None else number
        assert number is not None
        told = [each.block for each in receivers.receivers(place.name)]
        receivers.tell(place.name, place.settings.console_url, list(dict.fromkeys([*told, number])))
    return Answer([f"{name} took a notice, and is told from now on"], {"name": name, "failed": None})


def listed(where: str) -> Answer:
    """List every receiver, with what became of the last notice."""
    with _prefect(where) as place:
        from control import receivers

        found = receivers.receivers(place.name)
    lines = [f"{each.name}: {_became(each)}" for each in found]
    told = [
        {"name": r.name, "last": None if r.last is None else r.last.isoformat(), "failed": r.failed}
        for r in found
    ]
    return Answer(lines or [_NOBODY], {"receivers": told}, all(each.failed is None for each in found))


def tried(where: str) -> Answer:
    """Send a notice to each receiver from here."""
    told: list[dict[str, str | None]] = []
    with _prefect(where) as place:
        from control import receivers

        for each in receivers.receivers(place.name):
            try:
                block, _ = receivers.found(each.name)
                refused = receivers.send(block, _trial(place), place.settings.console_url)
            except ReceiverUnknown as unknown:
                refused = str(unknown)
            told.append({"name": each.name, "failed": refused})
    lines = [
        f"{each['name']}: " + (f"took no notice: {each['failed']}" if each["failed"] else "took a notice")
        for each in told
    ]
    return Answer(lines or [_NOBODY], {"receivers": told}, bool(told) and not any(t["failed"] for t in told))


def removed(where: str, name: str) -> Answer:
    """Tell a receiver no more."""
    full = name if "/" in name else f"{_OURS}/{name}"
    with _prefect(where) as place:
        from control import receivers

        found = receivers.receivers(place.name)
        left = [each.block for each in found if each.name != full]
        if len(left) == len(found):
            msg = f"{name} is not told; bin/keepfit notify list says who is"
            raise ReceiverUnknown(msg)
        receivers.tell(place.name, place.settings.console_url, left)
    return Answer([f"{name} is told no more"], {"name": name})


@contextmanager
def _prefect(where: str) -> "Generator[Place]":
    """Make this process a part of the stack; only then may Prefect be imported."""
    from control.turning import on_stack

    place = on_stack(where)
    with answering("nobody was added or removed; try again when it does"):
        yield place


def _address(name: str) -> str:
    """Ask for an address; it may hold a password, so it stands in no command and on no screen."""
    told = (
        typer.prompt(f"the address of {name}", hide_input=True, err=True)
        if sys.stdin.isatty()
        else sys.stdin.readline()
    )
    if not told.strip():
        msg = f"{name}: no address came on standard input; write one such as mailtos://USER:PASSWORD@HOST"
        raise ReceiverUnknown(msg)
    return told.strip()


def _trial(place: "Place") -> "Notice":
    from monitoring.notices import Notice

    return Notice(
        f"{place.name}: a trial", "Somebody tried whether notices of this project arrive here.", "/"
    )


def _became(receiver: "Receiver") -> str:
    if receiver.last is None:
        return "nothing was sent yet"
    when = f"{receiver.last:%F %R} UTC"
    return (
        f"the last notice, {when}, did not arrive: {receiver.failed}" if receiver.failed else f"told {when}"
    )
