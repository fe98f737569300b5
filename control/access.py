"""bin/keepfit keys make | list | revoke: who may ask the prediction service and the console for what."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar, cast

import typer

from control.answers import Answer
from control.options import JsonOption, ReasonOption, answer
from keepfit.errors import KeyUnknown
from keepfit.settings import Settings

if TYPE_CHECKING:
    from data.audit import Change

T = TypeVar("T")

app = typer.Typer(
    no_args_is_help=True, help="Make, list and revoke the API keys that servers beyond this machine ask for."
)

NameArgument = Annotated[str, typer.Argument(help="What the key is called: who has it, or what for.")]


@app.command()
def make(
    name: NameArgument,
    role: Annotated[
        list[str],
        typer.Option(help="What it may do: predict, feedback, read, operate; give several."),
    ],
    rate: Annotated[float | None, typer.Option(min=0.001, help="The most requests a second.")] = None,
    expires: Annotated[str | None, typer.Option(help="How long it may be used: 90d, 12h.")] = None,
    reason: ReasonOption = "by hand",
    as_json: JsonOption = False,
) -> None:
    """Make a key and print it, this once; servers that run take it at once."""
    from control.durations import duration

    after = None if expires is None else duration(expires)
    answer(made(name, role, (rate, after), reason), as_json)


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """Print every key's name, roles and state; never a key."""
    answer(listed(), as_json)


@app.command()
def revoke(name: NameArgument, reason: ReasonOption = "by hand", as_json: JsonOption = False) -> None:
    """Let nobody use a key any more; servers that run refuse it within a second."""
    answer(revoked(name, reason), as_json)


def made(name: str, roles: list[str], bounds: tuple[float | None, timedelta | None], reason: str) -> Answer:
    """Make a key with the most requests a second and the time that it may be used, each None for no bound."""
    from data.apikeys import ROLES, Role, make_api_key
    from data.audit import Change
    from data.records import now

    if unknown := [role for role in roles if role not in ROLES]:
        msg = f"--role {unknown[0]}: expected one of {', '.join(ROLES)}"
        raise KeyUnknown(msg)
    rate, after = bounds
    until = None if after is None else now() + after
    file = Settings.from_env().api_keys_file
    key, text = _noted(
        lambda: make_api_key(file, name, cast("list[Role]", roles), rate, until),
        lambda found: Change(
            what="api key made",
            why=reason,
            after={"name": name, "number": found[0].number, "roles": list(found[0].roles), "rate": rate},
        ),
    )
    lines = [
        text,
        f"the key {name} may {' and '.join(key.roles)}{_bounds(key.rate, until)}; it is shown this once, "
        f"and kept as a hash in {file}",
    ]
    return Answer(lines, {"key": text, "name": name, "number": key.number, "roles": list(key.roles)})


def listed() -> Answer:
    """List every key."""
    from data.apikeys import read_keys
    from data.records import now

    keys = read_keys(Settings.from_env().api_keys_file)
    width = max((len(key.name) for key in keys), default=0)
    lines = [
        f"{key.name:<{width}}  {key.state(now()):<7}  {', '.join(key.roles)}"
        + _bounds(key.rate, key.expires_at)
        for key in keys
    ]
    none = "there is no API key; bin/keepfit keys make NAME --role predict makes one"
    told = [
        {
            "name": key.name,
            "number": key.number,
            "state": key.state(now()),
            "roles": list(key.roles),
            "rate": key.rate,
            "made_at": key.made_at.isoformat(),
            "expires_at": None if key.expires_at is None else key.expires_at.isoformat(),
        }
        for key in keys
    ]
    return Answer(lines or [none], {"keys": told})


def revoked(name: str, reason: str) -> Answer:
    """Revoke a key."""
    from data.apikeys import revoke_api_key
    from data.audit import Change

    file: Path = Settings.from_env().api_keys_file
    key = _noted(
        lambda: revoke_api_key(file, name),
        lambda found: Change(
            what="api key revoked", why=reason, before={"name": name, "number": found.number}
        ),
    )
    return Answer([f"the key {name} is revoked"], {"name": name, "number": key.number})


def _noted(act: Callable[[], T], change: "Callable[[T], Change]") -> T:
    """Change the keys and note it: where the log cannot be written, a key that was made is not told."""
    from data import audit
    from data.store import Store

    store = Store(Settings.from_env().store_url)
    try:
        with store.transaction() as connection:
            found = act()
            audit.append(connection, change(found))
        return found
    finally:
        store.close()


def _bounds(rate: float | None, until: datetime | None) -> str:
    often = "" if rate is None else f", {rate:g} times a second"
    return often + ("" if until is None else f", until {until:%F %T} UTC")
