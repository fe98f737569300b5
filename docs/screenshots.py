"""Take the pictures of docs/console.md: `python -m docs.screenshots`, or `make screenshots`.

It opens a console of its own on a home (by default that of the demo) and takes each page light and dark, wide
and narrow. Prefect's runs are in the pictures where the stack of that home is up.
"""

import argparse
import io
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import httpx
from PIL import Image
from playwright.sync_api import Browser

from keepfit.errors import ServiceUnavailable
from keepfit.settings import ROOT, Settings
from monitoring.console.sources import Sources
from tests.browsing import open_browser
from tests.console.opening import console_on

FOLDER = ROOT / "docs" / "images"
PAGES = ["performance", "drift", "labels", "quarantine", "decisions", "ledger", "audit", "reports", "runs"]
WIDTHS = {"wide": (1100, 820), "narrow": (375, 720)}
MOST_HEIGHT = 2400
COLOURS = 96


def addresses(sources: Sources) -> dict[str, str]:
    """Name each page, with the last decision, the last entry and the last report of this home."""
    found = {"glance": "/", **{page: f"/{page}" for page in PAGES}}
    decisions, history, watches = sources.decisions(1), sources.ledger.history(), sources.watches()
    if decisions:
        found["decision"] = f"/decisions/{decisions[0].key}"
    if history:
        found["entry"] = f"/ledger/{history[-1].number}"
    with suppress(ServiceUnavailable):  # no stack is up on this home
        for run in sources.flow_runs.last("retrain", limit=1):
            found["run"] = f"/runs/{run.id}"
    if watches:
        found["report"] = f"/reports/{watches[-1].name}"
    return found


def take(browser: Browser, url: str, pages: dict[str, str], folder: Path) -> int:
    """Take every page in each width and scheme, and return the bytes of all pictures."""
    size = 0
    for scheme in ("light", "dark"):
        for shape, (width, height) in WIDTHS.items():
            context = browser.new_context(
                viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
            )
            page = context.new_page()
            for name, path in pages.items():
                answer = page.goto(url + path, wait_until="load")
                if answer is None or not answer.ok:
                    sys.exit(f"{path} cannot be shown; see what the console says above")
                # A frame is loaded and drawn only where it is seen: so all of the page is.
                whole = page.evaluate("document.documentElement.scrollHeight")
                page.set_viewport_size({"width": width, "height": min(whole, MOST_HEIGHT)})
                page.wait_for_load_state("networkidle")
                for frame in page.frames[1:]:  # Evidently draws by script, after it is loaded
                    frame.get_by_text("Drift in column").first.wait_for()
                taken = page.screenshot()
                page.set_viewport_size({"width": width, "height": height})
                size += _keep(taken, folder / f"{name}-{scheme}-{shape}.png")
            context.close()
    return size


def _keep(taken: bytes, path: Path) -> int:
    """Write a picture of few colours, which a calm page does not miss."""
    few = (
        Image.open(io.BytesIO(taken))
        .convert("RGB")
        .quantize(COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    )
    few.save(path, optimize=True)
    return path.stat().st_size


def main() -> None:
    """Take the pictures of a home."""
    asked = argparse.ArgumentParser(prog="python -m docs.screenshots", description=__doc__)
    asked.add_argument("--home", type=Path, default=Settings().home / "demo", help="the home to show")
    asked.add_argument("--to", type=Path, default=FOLDER, help="where the pictures go")
    told = asked.parse_args()
    told.to.mkdir(parents=True, exist_ok=True)
    settings = replace(Settings.from_env(), home=told.home.resolve())
    sources = Sources(settings, settings.project_name)
    with console_on(settings) as url, open_browser() as browser:
        httpx.get(url).raise_for_status()
        size = take(browser, url, addresses(sources), told.to)
    sys.stdout.write(f"{told.to}: {size / 1e6:.1f} MB\n")


if __name__ == "__main__":
    main()
