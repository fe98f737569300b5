"""What this server says of itself to people and their tools: GET /openapi.json and GET /docs."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from msgspec.json import encode, format

from data.bundles import Manifest
from keepfit.settings import Settings
from serving.describing.handbook import page, policy
from serving.describing.openapi import document
from serving.describing.operations import Body, Operation
from serving.describing.schemas import Json, Schemas
from serving.desk import Desk
from serving.exchange import Request, Response
from serving.routes import ANY_KEY, Route

HTML = b"text/html; charset=utf-8"
_CONTRACT = "What stands here"
_LONGEST_HOST = 255
_PAGES = 8
"""Addresses whose pages are kept: a server has few."""


@dataclass(frozen=True, slots=True)
class Made:
    """The document of one model, as it is sent; and the page for each address that it was asked at."""

    digest: str | None
    document: Json
    text: bytes
    pages: dict[str, bytes] = field(default_factory=dict[str, bytes])


@dataclass
class Documents:
    """Describes some routes, again when another model is live."""

    routes: Sequence[Route]
    _made: Made | None = None

    async def openapi(self, desk: Desk, _: Request) -> Response:
        """GET /openapi.json."""
        return Response(200, (await self._of_live(desk)).text)

    async def docs(self, desk: Desk, request: Request) -> Response:
        """GET /docs: one page that asks nothing of anybody."""
        host = (request.header(b"host") or "")[:_LONGEST_HOST]
        made = await self._of_live(desk)
        if host not in made.pages:
            if len(made.pages) == _PAGES:
                made.pages.clear()
            made.pages[host] = (await asyncio.to_thread(page, made.document, host)).encode()
        return Response(200, made.pages[host], HTML, policy())

    async def _of_live(self, desk: Desk) -> Made:
        live = desk.worker.slot.live
        digest, manifest = (live.digest, live.predictor.manifest) if live else (None, None)
        made = self._made
        if made is None or made.digest != digest:
            # In a thread: it takes as long as many predictions, which must not wait for it.
            made = self._made = await asyncio.to_thread(self._make, desk.settings, digest, manifest)
        return made

    def _make(self, settings: Settings, digest: str | None, manifest: Manifest | None) -> Made:
        told = document(self.routes, Schemas(settings, manifest))
        return Made(digest, told, format(encode(told), indent=1))


def documenting(routes: Sequence[Route]) -> tuple[Route, ...]:
    """Make the two routes that describe others, and themselves."""
    documents = Documents([])
    own = (
        Route("GET", "/openapi.json", ANY_KEY, documents.openapi, operation=_OPENAPI),
        Route("GET", "/docs", ANY_KEY, documents.docs, operation=_DOCS),
    )
    documents.routes = (*routes, *own)
    return own


def _written(_: Schemas) -> list[Body]:
    return [Body({"type": "object", "required": ["openapi", "info", "paths"]}, {})]


def _shown(_: Schemas) -> list[Body]:
    return [Body({"type": "string"}, {}, "text/html")]


_OPENAPI = Operation(contract=_CONTRACT, summary="Every route as OpenAPI 3.1", answers=_written)
_DOCS = Operation(contract=_CONTRACT, summary="The same for people to read", answers=_shown)
