"""Keepfit's own contract: /v1, health and metrics."""

from data.releases import WorkerStatus
from serving.contract import ModelAnswer, WorkerAnswer, read_feedback_request, read_predict_request
from serving.desk import Desk
from serving.exchange import TEXT, Request, Response, answered
from serving.explaining.explanation import wants_explanation
from serving.protocols.described import FEEDBACK, LIVE, METRICS, MODEL, PREDICT, READY
from serving.protocols.given import read_aside
from serving.routes import DESCRIBES, LABELS, LOOKS, OPEN, PREDICTS, Route


async def predict(desk: Desk, request: Request) -> Response:
    """POST /v1/predict, with `?explain=true` if the answers are to be explained."""
    explain = wants_explanation(request)
    live = desk.model()
    desk.worker.line.check_room(live)
    body = await request.body(desk.settings.body_bytes)
    if explain:
        rows = (await read_aside(body, lambda body: read_predict_request(body, desk.settings.rows))).rows
        with desk.explainer.place(len(rows)):
            answer = await desk.predict(request, live, rows)
            return answered(await desk.explainer.explain(request, live, rows, answer))
    return answered(await desk.predict_body(request, live, body))


async def feedback(desk: Desk, request: Request) -> Response:
    """POST /v1/feedback."""
    body = await request.body(desk.settings.body_bytes)
    given = await read_aside(body, lambda body: read_feedback_request(body, desk.settings.rows))
    return answered(await desk.acknowledge(request, given))


async def model(desk: Desk, _: Request) -> Response:
    """GET /v1/model."""
    worker = desk.worker
    everyone = [_worker_answer(status) for status in await worker.statuses()]
    own = _worker_answer(worker.status())
    return answered(ModelAnswer(worker.project, own, everyone, desk.settings.replay))


async def live(_desk: Desk, _: Request) -> Response:
    """GET /health/live: it checks nothing but that this loop turns."""
    return Response(200, b'{"status":"live"}')


async def ready(desk: Desk, _: Request) -> Response:
    """GET /health/ready: there is a model."""
    desk.model()
    return Response(200, b'{"status":"ready"}')


async def metrics(desk: Desk, _: Request) -> Response:
    """GET /metrics: what every worker counted."""
    return Response(200, (await desk.worker.metrics_text()).encode(), TEXT)


ROUTES = (
    Route("POST", "/v1/predict", PREDICTS, predict, operation=PREDICT),
    Route("POST", "/v1/feedback", LABELS, feedback, operation=FEEDBACK),
    Route("GET", "/v1/model", DESCRIBES, model, operation=MODEL),
    Route("GET", "/health/live", OPEN, live, operation=LIVE),
    Route("GET", "/health/ready", OPEN, ready, operation=READY),
    Route("GET", "/metrics", LOOKS, metrics, operation=METRICS),
)


def _worker_answer(status: WorkerStatus) -> WorkerAnswer:
    return WorkerAnswer(
        host=status.host,
        pid=status.pid,
        version=status.version,
        digest=status.digest,
        generation=status.generation,
        error=status.error,
        refused=status.refused,
    )
