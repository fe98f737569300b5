"""Take the pictures of docs/console.md: `python -m docs.screenshots`, or `make screenshots`.

It opens a console of its own on a home (by default that of the demo) and takes each picture that the page
shows, light or dark, wide or narrow as its name says; those that it shows no more are deleted. Prefect's runs
are in the pictures where the stack of that home is up. `--all` takes every page in every way, to look at.
"""

import argparse
import io
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from urllib.parse import quote

import httpx
from PIL import Image
from playwright.sync_api import Browser, Page

from keepfit.errors import ServiceUnavailable
from keepfit.settings import ROOT, Settings
from monitoring.console.reading.sources import Sources
from monitoring.console.rendering import PAGES
from tests.browsing import open_browser
from tests.console.opening import console_on

SHOWN = ROOT / "docs" / "console.md"
FOLDER = ROOT / "docs" / "images"
SIZES = {"wide": (1100, 820), "narrow": (375, 720)}
MOST_HEIGHT = 1700
COLOURS = 64
LOOKED_THROUGH = 2000
"""So many of the last predictions are looked through for one that has its label."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture, as its file is named."""

    page: str
    scheme: str
    shape: str

    @property
    def file(self) -> str:
        """Name its file."""
        return f"{self.page}-{self.scheme}-{self.shape}.png"


def shown() -> list[Picture]:
    """Read which pictures the page of the docs shows."""
    found = re.findall(r"images/(\w+)-(light|dark)-(wide|narrow)\.png", SHOWN.read_text(encoding="utf-8"))
    return [Picture(*each) for each in dict.fromkeys(found)]


def addresses(sources: Sources) -> dict[str, str]:
    """Name each page, and of those with a name in their address one of this home that has much to show."""
    found = {name.lower(): path for path, name in PAGES.items()}
    found["compare"] = "/compare"
    history, watches = sources.ledger.history(), sources.watches()
    if history:
        found["entry"] = f"/ledger/{history[-1].number}"
        found["model"] = f"/models/{history[-1].version or 1}"
    decisions = sources.decisions()
    judged = next((kept for kept in decisions if kept.decision.gain is not None), None)
    if judged is not None:
        found["decision"] = f"/decisions/{judged.key}"
    if watches:
        moved = next((each for each in reversed(watches) if each.verdict.drift), watches[-1])
        found["report"] = f"/reports/{moved.name}"
    if (known := _labelled(sources)) is not None:
        found["prediction"] = f"/predictions/{quote(known, safe='')}"
    with suppress(ServiceUnavailable):  # no stack is up on this home
        if runs := sources.flow_runs.latest().last["retrain"]:
            found["run"] = f"/runs/{runs[0].id}"
    return found


def _labelled(sources: Sources) -> str | None:
    """Find the last prediction that a model answered and whose label came; else the last of all."""
    last = [each for each in sources.lookup.last(LOOKED_THROUGH) if each.version is not None]
    labels = sources.lookup.last_labels(last, ())
    with_label = [each for each in last if each.prediction_id in labels]
    return next((each.prediction_id for each in [*with_label, *last]), None)


def take(browser: Browser, url: str, pages: dict[str, str], wanted: Sequence[Picture], to: Path) -> int:
    """Take the pictures, and return the bytes of all."""
    size = 0
    for scheme, (shape, (width, height)) in product(("light", "dark"), SIZES.items()):
        with browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
        ) as context:
            page = context.new_page()
            for picture in wanted:
                if (picture.scheme, picture.shape) != (scheme, shape):
                    continue
                page.set_viewport_size({"width": width, "height": height})
                size += _keep(_taken(page, url + pages[picture.page], width), to / picture.file)
    return size


def _taken(page: Page, address: str, width: int) -> bytes:
    answer = page.goto(address, wait_until="load")
    if answer is None or not answer.ok:
        sys.exit(f"{address} cannot be shown; see what the console says above")
    # A frame is loaded and drawn only where it is seen: so all of the page is.
    whole = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": width, "height": min(whole, MOST_HEIGHT)})
    page.wait_for_load_state("networkidle")
    return page.screenshot()


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
    asked.add_argument("--all", action="store_true", help="every page in every way, whatever the page shows")
    told = asked.parse_args()
    told.to.mkdir(parents=True, exist_ok=True)
    settings = replace(Settings.from_env(), home=told.home.resolve())
    sources = Sources(settings, settings.project_name)
    pages = addresses(sources)
    wanted = [Picture(*each) for each in product(pages, ("light", "dark"), SIZES)] if told.all else shown()
    if missing := sorted({each.page for each in wanted} - set(pages)):
        sys.exit(
            f"{settings.home} has no {', '.join(missing)} to show; bin/keepfit demo makes a home that has"
        )
    with console_on(settings) as url, open_browser() as browser:
        httpx.get(url).raise_for_status()
        size = take(browser, url, pages, wanted, told.to)
    sources.close()
    if told.to == FOLDER:
        for old in set(FOLDER.glob("*.png")) - {FOLDER / each.file for each in wanted}:
            old.unlink()
    sys.stdout.write(f"{told.to}: {len(wanted)} pictures, {size / 1e6:.1f} MB\n")


if __name__ == "__main__":
    main()
