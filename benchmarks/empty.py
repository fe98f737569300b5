"""A bare ASGI function on the settings of `python -m serving`: what a request costs before any work."""

from uvicorn.supervisors.multiprocess import Multiprocess

from keepfit.settings import Settings
from serving.exchange import Receive, Scope, Send
from serving.supervision import configured, listen

BODY = b'{"status":"ready"}'
_HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """Read the request's body and answer a few bytes."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": BODY})


def main() -> None:
    """Serve until SIGTERM."""
    settings = Settings.from_env()
    config = configured(settings, "benchmarks.empty:answer", factory=False)
    Multiprocess(config, [listen(settings.host, settings.serving_port)]).run()


if __name__ == "__main__":
    main()
