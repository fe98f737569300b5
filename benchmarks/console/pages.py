"""Claim: every page of the console is there within 300 ms, after a year of daily watches and a million rows.

A console of its own on a home of a year, opened by a real browser; beside it, on the same year, the pages
that MLflow's and Evidently's own servers have for the same questions. All in turns.
"""

import socket
import sqlite3
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from statistics import median

import httpx

from benchmarks.console.addresses import PAGES
from benchmarks.console.browsed import Browsed, Look, asked, browsing, told
from benchmarks.console.history import Year
from benchmarks.console.theirs import EVERY_VERSION, EVERY_WATCH, EVIDENTLY, LAST_WATCH, MLFLOW, OVER_THE_YEAR
from benchmarks.figures import Options, Table
from benchmarks.servers import Command, Served, free_port, running
from keepfit.settings import inherited_environment

_GOAL_MS = 300.0
_TIMES = 5
_FIRST = 4
_HANGS_S = 3.0
_FILES = ("html", "json", "csv")


@dataclass
class Opened:
    """What was measured of one page."""

    first: float = float("nan")
    """Until it was there, right after the start of the console."""
    looks: list[Look] = field(default_factory=list[Look])
    server: list[float] = field(default_factory=list[float])
    cpu: float = 0.0
    """Of the server, a request."""

    @property
    def kept(self) -> bool:
        """Whether half of the looks, and the first, were there in time."""
        there = median(max(look.there, look.load) for look in self.looks)
        return max(there, 0.0 if self.first != self.first else self.first) <= _GOAL_MS


def measure(options: Options) -> Table:
    """Open every page, each the first time and again; then the files."""
    year = Year(rows=options.rows or (100_000 if options.quick else 1_000_000)).built()
    wide = Year(200, 100_000).built() if not options.quick else None
    table = Table(
        f"The console after a year: {len(year.days)} watches, {year.rows:,} predictions, 52 retrains",
        ("", "first", "there", "load", "paint", "server", "CPU", "goal"),
        (
            "ms; `there`: until the last of what was asked for stands in the page; median (worst) of "
            f"{_TIMES * options.rounds}",
            "`first`: the same, where it is the first page that is asked of a console that has just started",
            "`server`: the answer without a browser; `CPU`: what the server worked for it",
            "goal: the medians of there and load, and the first, within 300 ms",
        ),
    )
    with browsing() as browser:
        for shape in filter(None, (year, wide)):
            found = _measured(shape, browser, options)
            for path, opened in found.items():
                _add(table, path if shape is year else f"{path}, 200 columns", opened)
        for line in [*_files(year), *_hung(year)]:
            table.add(*line)
        for line in _beside(year, browser, options):
            table.add(*line)
    return table


def _add(table: Table, path: str, opened: Opened) -> None:
    looks = opened.looks
    parts = [told([getattr(look, part) for look in looks]) for part in ("there", "load", "paint")]
    first = "" if opened.first != opened.first else f"{opened.first:,.0f}"
    goal = "kept" if opened.kept else "MISSED"
    table.add(path, first, *parts, told(opened.server), f"{opened.cpu:,.0f}", goal)


def _measured(year: Year, browser: Browsed, options: Options) -> dict[str, Opened]:
    found = {path: Opened() for path in pages(year)}
    for path in pages(year)[: 1 if options.quick else _FIRST]:
        with console_on(year) as console:
            found[path].first = browser.open(f"{_at(console)}{path}", _END).there
    with console_on(year) as console:
        for turn in range(_TIMES * options.rounds + 1):
            for path in found:
                look = browser.open(f"{_at(console)}{path}", _END)
                if turn:  # the first one is warmer than a person's, and colder than the others
                    found[path].looks.append(look)
        for path, opened in found.items():
            worked = console.cpu_s()
            opened.server = asked(f"{_at(console)}{path}", _TIMES)
            opened.cpu = 1000 * (console.cpu_s() - worked) / _TIMES
    return found


def _files(year: Year) -> list[tuple[str, ...]]:
    """Ask for what is kept as a file: it is no page that a browser shows."""
    lines: list[tuple[str, ...]] = []
    with console_on(year) as console:
        for path in pages(year):
            bare, _, query = path.partition("?")
            for form in _FILES:
                address = f"{_at(console)}{bare}.{form}?{query}"
                with httpx.Client(trust_env=False, timeout=60) as client:
                    if bare == "/" or client.get(address).status_code != 200:
                        continue
                took = asked(address, _TIMES)
                goal = "kept" if median(took) <= _GOAL_MS else "MISSED"
                lines.append((f"{bare}.{form}", "", "", "", "", told(took), "", goal))
    return lines


def _hung(year: Year) -> list[tuple[str, ...]]:
    """Ask for the pages that ask Prefect, while it takes every connection and answers nothing."""
    lines: list[tuple[str, ...]] = []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with console_on(year, port) as console:
            time.sleep(_HANGS_S)  # what the console asks when it starts has had its time
            for path in ("/", "/runs"):
                first, *took = asked(f"{_at(console)}{path}", 4 * _TIMES)
                goal = "kept" if median(took) <= _GOAL_MS else "MISSED"
                name = f"{path}, while Prefect hangs"
                lines.append((name, f"{first:,.0f}", "", "", "", told(took), "", goal))
    return lines


def _beside(year: Year, browser: Browsed, options: Options) -> list[tuple[str, ...]]:
    """Open the pages for the same question, in turns."""
    lines: list[tuple[str, ...]] = []
    sides = (MLFLOW, EVIDENTLY)
    with console_on(year) as console, MLFLOW.opened(year) as mlflow, EVIDENTLY.opened(year) as evidently:
        servers = {MLFLOW.name: mlflow, EVIDENTLY.name: evidently}
        for question, path in _QUESTIONS.items():
            found: dict[str, list[float]] = {"Keepfit": []}
            for turn in range(options.rounds + 1):
                looks = {"Keepfit": browser.open(f"{_at(console)}{path}", _END).there}
                for side in sides:
                    if question not in side.pages:
                        continue
                    served, names = servers[side.name]
                    where, text = (part.format(**names) for part in side.pages[question])
                    with served.awake():
                        looks[side.name] = browser.open(f"{_at(served)}{where}", text).there
                for name, there in looks.items():
                    if turn:
                        found.setdefault(name, []).append(there)
            ours = median(found["Keepfit"])
            for name, there in found.items():
                ratio = "" if name == "Keepfit" else f"{median(there) / ours:.1f} x"
                lines.append((f"{question}: {name}", "", told(there), "", "", "", "", ratio))
    return lines


_QUESTIONS = {
    OVER_THE_YEAR: "/timeline",
    EVERY_WATCH: "/reports",
    LAST_WATCH: "/reports/2026-01-01T000000Z",
    EVERY_VERSION: "/models",
}
"""A question, and where the console answers it."""


_END = "This page was made"
"""What stands at the end of each."""


def pages(year: Year) -> list[str]:
    """Give the address of every page, with a prediction that is there."""
    with sqlite3.connect(f"file:{year.home / 'keepfit.db'}?mode=ro", uri=True) as store:
        query = "select prediction_id, reference_id from predictions_1 order by predicted_at desc limit 1"
        prediction, reference = store.execute(query).fetchone()
    return [path.format(prediction=prediction, reference=reference) for path in PAGES]


@contextmanager
def console_on(year: Year, prefect_port: int = 1) -> Generator[Served]:
    """Run a console of the year; nobody listens where it looks for Prefect."""
    port = free_port()
    settings = replace(year.settings, console_port=port, prefect_port=prefect_port)
    environment = inherited_environment() | settings.environment()
    words = (sys.executable, "-m", "monitoring.console")
    command = Command("console", port, words, "/health/live", year.home / "console.log", environment)
    with running(command) as served:
        yield served


def _at(served: Served) -> str:
    return f"http://127.0.0.1:{served.port}"
