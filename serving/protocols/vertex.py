"""Vertex AI: instances and predictions on the paths that the platform names."""

from keepfit.settings import Settings
from serving.desk import Desk
from serving.exchange import Request, Response
from serving.protocols.kserve import answer_instances, refused
from serving.protocols.platforms import VERTEX_HEALTH, VERTEX_PREDICT
from serving.routes import OPEN, PREDICTS, Route


async def predict(desk: Desk, request: Request) -> Response:
    """POST $AIP_PREDICT_ROUTE: predictions and nothing beside them, as Vertex asks."""
    return await answer_instances(desk, request, room=False)


async def health(desk: Desk, _: Request) -> Response:
    """GET $AIP_HEALTH_ROUTE: 200 once there is a model."""
    desk.model()
    return Response(200, b'{"status":"ready"}')


def routes(settings: Settings) -> tuple[Route, ...]:
    """Give the routes that the environment names, or none."""
    named = (
        ("GET", settings.health_route, OPEN, health, VERTEX_HEALTH),
        ("POST", settings.predict_route, PREDICTS, predict, VERTEX_PREDICT),
    )
    return tuple(
        Route(method, path, roles, handle, refused, told)
        for method, path, roles, handle, told in named
        if path
    )
