"""What a person may start: retrain, roll back, readmit; each is a run of a deployment, and has a page."""

from collections.abc import Mapping
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from monitoring.console.pages import earlier_versions
from monitoring.console.rendering import console_of
from monitoring.console.sources import Sources
from monitoring.console.trust import is_same_origin

_BODY_BYTES = 256 * 1024
_REASON = 500
READMIT = 1000
"""The most rows of one readmission."""

Form = Mapping[str, list[str]]


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


async def readmit(request: Request) -> Response:
    """Start a feedback that tries rows of the quarantine again: those chosen, or all of one reason."""
    form = await _form(request)
    numbers = await run_in_threadpool(_numbers, console_of(request).sources, form)
    if not numbers:
        raise HTTPException(422, "Choose at least one row that waits in quarantine.")
    return await run_in_threadpool(_start, request, "feedback", {"readmit": numbers}, form)


def _numbers(sources: Sources, form: Form) -> list[int]:
    if "all" in form:
        reason = _one(form, "reason") or None
        return [entry.number for entry in sources.quarantine.waiting(reason, limit=READMIT)]
    chosen = {int(told) for told in form.get("number", []) if told.isdecimal() and len(told) < 19}
    return sorted(entry.number for entry in sources.quarantine.entries(sorted(chosen)[:READMIT]))


def _start(request: Request, flow: str, parameters: Mapping[str, object], form: Form) -> Response:
    number = console_of(request).sources.flow_runs.start(flow, parameters, _one(form, "token"))
    return RedirectResponse(f"/runs/{number}", status_code=303)


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
