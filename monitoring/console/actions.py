"""What a person may start: retrain, roll back, readmit; each is a run of a deployment, and has a page."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from data.audit import Change, What, append
from monitoring.console.reading.sources import Sources
from monitoring.console.rendering import console_of, render
from monitoring.console.signin import LOOKS
from monitoring.console.trust import is_same_origin
from monitoring.console.views.outcomes import earlier_versions

_BODY_BYTES = 256 * 1024
_REASON = 500
READMIT = 1000
"""The most rows of one readmission."""

Form = Mapping[str, list[str]]

_ASKED_FOR: Mapping[str, What] = {
    "retrain": "retrain asked for",
    "rollback": "rollback asked for",
    "feedback": "readmission asked for",
}


async def retrain(request: Request) -> Response:
    """Start a retrain."""
    form = await _form(request)
    return await run_in_threadpool(_start, request, "retrain", {"reason": _reason(form)}, form)


async def rollback(request: Request) -> Response:
    """Start a rollback to a version that was champion."""
    form = await _form(request)
    told = _one(form, "version")
    known = await run_in_threadpool(earlier_versions, console_of(request).sources)
    if told not in {str(version) for version in known}:
        raise HTTPException(422, "Choose a version that was champion before and is not now.")
    parameters = {"version": int(told), "reason": _reason(form)}
    return await run_in_threadpool(_start, request, "rollback", parameters, form)


async def sign_in(request: Request) -> Response:
    """Show the form that asks for a key, and take it: a browser that signs in stays so."""
    if request.method != "POST":
        return _asked(request, request.query_params.get("next", "/"))
    form = await _form(request)
    gate = console_of(request).sign_in
    key = gate.key(_one(form, "key"))
    if key is None or not key.may(LOOKS):
        said = "That is no key in use." if key is None else f"The key {key.name} may not read."
        return _asked(request, _one(form, "next"), said)
    return RedirectResponse(_here(_one(form, "next")), 303, {"Set-Cookie": gate.stay(key)})


async def sign_out(request: Request) -> Response:
    """Forget this browser."""
    await _form(request)
    return RedirectResponse("/sign-in", 303, {"Set-Cookie": console_of(request).sign_in.leave()})


def _asked(request: Request, following: str, refused: str = "") -> Response:
    status = 401 if refused else 200
    return render(request, "sign-in.html", status, next=_here(following), refused=refused)


def _here(path: str) -> str:
    """Keep whoever signs in on this site: an address that is no path of it leads to its first page."""
    plain = path.isprintable() and path.startswith("/") and not path.startswith("//") and "\\" not in path
    return path if plain else "/"


async def readmit(request: Request) -> Response:
    """Start a feedback that tries rows of the quarantine again: those chosen, or all of one reason."""
    form = await _form(request)
    numbers = await run_in_threadpool(_numbers, console_of(request).sources, form)
    if not numbers:
        raise HTTPException(422, "Choose at least one row that waits in quarantine.")
    return await run_in_threadpool(_start, request, "feedback", {"readmit": numbers}, form)


async def release(request: Request) -> Response:
    """Start a feedback that lets the labels of a held source count again."""
    form = await _form(request)
    source, console = _one(form, "source"), console_of(request)
    held = await run_in_threadpool(console.sources.holds.in_force, console.clock())
    if source not in {hold.source for hold in held}:
        raise HTTPException(422, "Choose a source of labels that is held.")
    parameters = {"release": source, "reason": _reason(form)}
    return await run_in_threadpool(_start, request, "feedback", parameters, form)


def _numbers(sources: Sources, form: Form) -> list[int]:
    if "all" in form:
        reason = _one(form, "reason") or None
        return [entry.number for entry in sources.quarantine.waiting(reason, limit=READMIT)]
    chosen = {int(told) for told in form.get("number", []) if told.isdecimal() and len(told) < 19}
    return sorted(entry.number for entry in sources.quarantine.entries(sorted(chosen)[:READMIT]))


def _start(request: Request, flow: str, parameters: Mapping[str, object], form: Form) -> Response:
    sources = console_of(request).sources
    number = sources.flow_runs.start(flow, parameters, _one(form, "token"))
    _note(request, sources, number, {"flow": flow, **parameters})
    return RedirectResponse(f"/runs/{number}", status_code=303)


def _note(request: Request, sources: Sources, number: str, asked: Mapping[str, Any]) -> None:
    """Note in the audit log who asked for a run: afterwards, for only then it has a number."""
    caller = request.state.caller
    after = {"run": number}
    after |= {"version": asked["version"]} if "version" in asked else {}
    after |= {"rows": len(asked["readmit"])} if "readmit" in asked else {}
    after |= {"source": asked["release"]} if "release" in asked else {}
    change = Change(
        what="release asked for" if "release" in asked else _ASKED_FOR[asked["flow"]],
        why=asked.get("reason", "by hand, from the console"),
        who="this machine" if caller is None else f"key {caller.name}",
        project=sources.project,
        after=after,
    )
    with sources.store.transaction() as connection:
        append(connection, change)


async def _form(request: Request) -> Form:
    if not is_same_origin(request.headers):
        raise HTTPException(403, "Only a page of this console may do this; open it and press its button.")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY_BYTES:
            raise HTTPException(413, "That is more than a form of the console holds; choose fewer rows.")
    try:
        return parse_qs(body.decode(), errors="strict")
    except (UnicodeDecodeError, ValueError) as fault:
        raise HTTPException(
            400, "This is no form of the console; open the page and press its button."
        ) from fault


def _reason(form: Form) -> str:
    return " ".join(_one(form, "why").split())[:_REASON] or "by hand, from the console"


def _one(form: Form, name: str) -> str:
    return form.get(name, [""])[0]


ROUTES = [
    Route("/retrain", retrain, methods=["POST"]),
    Route("/rollback", rollback, methods=["POST"]),
    Route("/readmit", readmit, methods=["POST"]),
    Route("/release", release, methods=["POST"]),
    Route("/sign-in", sign_in, methods=["GET", "POST"]),
    Route("/sign-out", sign_out, methods=["POST"]),
]
