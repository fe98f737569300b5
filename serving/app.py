"""The routes, as a bare ASGI application."""

import logging
from collections.abc import Mapping

from data.apikeys import asked_keys
from data.records import new_id
from keepfit.settings import Settings
from serving.desk import Desk
from serving.exchange import CallerGone, Receive, Request, Scope, Send, refused
from serving.gate import Gate, unknown
from serving.protocols import documents, invocations, kserve, mlflow, own, v2, vertex
from serving.rates import Rates
from serving.refusal import Refused
from serving.routes import Route, Routes
from serving.worker import Worker

_log = logging.getLogger(__name__)


class App:
    """The ASGI application of one worker."""

    def __init__(self, settings: Settings, rates: str | None = None) -> None:
        """`rates` is where the memory is that all workers count requests in; None is one of its own."""
        self._gate = Gate(settings, asked_keys(settings), Rates(rates))
        self._worker = Worker(settings, self._gate)
        self._desk = Desk(settings, self._worker)
        self._routes = Routes(routes(settings))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's event, as ASGI 3 says."""
        if scope["type"] == "http":
            await self._exchange(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)

    async def _exchange(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        name, say = "other", refused
        try:
            self._gate.check_origin(request)
            request.caller = self._gate.caller(request)
            route, request.segments = self._find(request)
            name, say = route.path, route.refused
            self._gate.check_role(request.caller, route.roles)
            response = await route.handle(self._desk, request)
        except Refused as refusal:
            response = say(refusal)
            self._worker.metrics.refused(refusal)
        except CallerGone:
            return
        except Exception:  # noqa: BLE001 - the one place: whatever a route raises is answered with 500
            request_id = request.request_id or new_id()
            _log.exception(
                "%s %s: answered with 500 (request %s)",
                scope["method"],
                scope["path"],
                request_id,
                extra={"request_id": request_id, "trace_id": request.trace_id},
            )
            response = say(Refused(500, f"the server failed; its log says how, at request {request_id}"))
        self._worker.metrics.answered(name, response.status)
        await response.send(send, request.echoed)

    def _find(self, request: Request) -> tuple[Route, Mapping[str, str]]:
        try:
            return self._routes.find(request.scope["method"], request.scope["path"])
        except Refused:
            if self._gate.hides(request.caller):
                raise unknown() from None  # which paths there are is for those who have a key
            raise

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self._worker.start()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self._worker.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return


def routes(settings: Settings) -> tuple[Route, ...]:
    """Give every route of a worker: those of the contracts, and those that describe them."""
    foreign = (*v2.ROUTES, *kserve.ROUTES, *mlflow.ROUTES, *invocations.ROUTES)
    # A platform's own paths last: where they are called like one of ours, it is the platform that asks.
    contracts = (*own.ROUTES, *foreign, *vertex.routes(settings))
    return (*contracts, *documents.documenting(contracts))
