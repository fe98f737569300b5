"""What each watch found, and Evidently's page of it in a sandbox."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from monitoring.console.rendering import console_of, render

REPORT_POLICY = (
    # Evidently's page brings its own scripts and styles; it may reach nothing and nobody. Which scripts may
    # run it says itself, by their hashes; one of an older Keepfit does not.
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data:; font-src data:; connect-src 'none'; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'self'"
)


def reports(request: Request) -> HTMLResponse:
    """Show every watch that left a report."""
    return render(request, "reports.html", watches=console_of(request).sources.watches()[::-1])


def report(request: Request) -> HTMLResponse:
    """Show what one watch found, with Evidently's page in a sandbox."""
    sources = console_of(request).sources
    watch = sources.watch(request.path_params["as_of"])
    if watch is None:
        raise HTTPException(404, "No watch left a report here; all are listed under Reports.")
    has_page = sources.page(watch.name) is not None
    return render(request, "report.html", watch=watch, has_page=has_page)


def report_page(request: Request) -> Response:
    """Answer with Evidently's page, which may run its scripts and reach nothing.

    A browser that opens it alone gets it in a frame: what stands at the top may take itself, and what it
    knows, to any address, and in a frame only to where the page around it lets frames go.
    """
    name = request.path_params["as_of"]
    page = console_of(request).sources.page(name)
    if page is None:
        raise HTTPException(404, "Evidently drew no page for this watch.")
    # Browsers say so, and no page can say it for them; a program need not.
    if request.headers.get("sec-fetch-dest", "iframe") != "iframe":
        return render(request, "alone.html", watch=name)
    headers = {"Content-Security-Policy": REPORT_POLICY}
    return FileResponse(page, media_type="text/html; charset=utf-8", headers=headers)


ROUTES = [
    Route("/reports", reports),
    Route("/reports/{as_of}.html", report),
    Route("/reports/{as_of}", report),
    Route("/reports/{as_of}/page", report_page),
]
