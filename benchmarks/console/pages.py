"""Claim: every page of the console is there within 300 ms, after a year of daily watches and a million rows.

A console of its own on a home of a year, opened by a real browser; beside it, on the same year, the pages
that MLflow's and Evidently's own servers have for the same questions. All in turns.
"""

import socket
import sqlite3
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from statistics import median

import httpx

from benchmarks.console.addresses import PAGES
from benchmarks.console.beside import NOTES, measure_beside
from benchmarks.console.browsed import Browsed, Look, Sight, asked, browsing, told
from benchmarks.console.consoles import at, console_on
from benchmarks.console.history import ROWS, Year
from benchmarks.console.known import KnownTable
from benchmarks.figures import Options
from benchmarks.servers import NotServed

_GOAL_MS = 300.0
_TIMES = 3
"""So often in a round."""
_FIRST = 4
_HANGS_S = 3.0
_HUNG = 12
_FILES = ("html", "json", "csv")
_END = Sight("This page was made")
"""What stands at the end of each."""
_EMPTY = "/health/live"
"""No page, opened as one: what is left is the browser's own time."""


@dataclass
class Opened:
    """What was measured of one page."""

    first: float = float("nan")
    """Until it was there, right after the start of the console."""
    looks: list[Look] = field(default_factory=list[Look])
    server: list[float] = field(default_factory=list[float])
    cpu: float = 0.0
    """Of the server, a request."""

    fault: str = ""
    """Why it was not there."""

    @property
    def kept(self) -> bool:
        """Whether half of the looks, and the first, were there in time."""
        if self.fault or not self.looks:
            return False
        there = median(max(look.there, look.load) for look in self.looks)
        return max(there, 0.0 if self.first != self.first else self.first) <= _GOAL_MS


def measure(options: Options) -> KnownTable:
    """Open every page, each the first time and again; then the files; then theirs beside ours."""
    year = _year(options).built()
    wide = None if options.quick else Year(200, 100_000).built()
    table = KnownTable(
        f"The console after a year: {len(year.days)} watches, {year.rows:,} predictions, 52 retrains",
        ("", "first", "there", "load", "paint", "server", "CPU", "goal"),
        (
            "ms; `there`: until the last of what was asked for stands in the page; median (worst) of "
            f"{_TIMES * options.rounds}, beside others of {options.rounds}",
            "`first`: the same, where it is the first page that is asked of a console that has just started; "
            "while Prefect hangs the first answer",
            f"{_EMPTY} is a line of text, opened as a page: what it takes is the browser's own",
            "`server`: the answer without a browser; `CPU`: what the server worked for it",
            "goal: the medians of there and load, and the first, within 300 ms; of a file that of server",
            *NOTES,
        ),
    )
    with browsing() as browser:
        for shape in filter(None, (year, wide)):
            for path, opened in _measured(shape, browser, options):
                _add(table, path if shape is year else f"{path}, 200 columns", opened)
        for line in _files(year, options):
            table.add(*line)
        for line in _hung(year):
            table.add(*line)
        measure_beside(year, browser, options.rounds, table)
    return table


def _year(options: Options) -> Year:
    """The whole year; in a hurry only where it is built already, and else a tenth of its rows."""
    whole = Year(rows=options.rows or ROWS)
    return whole if not options.quick or whole.is_built else Year(rows=options.count(ROWS))


def _add(table: KnownTable, path: str, opened: Opened) -> None:
    looks = opened.looks
    parts = [told([getattr(look, part) for look in looks]) for part in ("there", "load", "paint")]
    first = "" if opened.first != opened.first else f"{opened.first:,.0f}"
    goal = "kept" if opened.kept else "MISSED"
    table.add(path, first, *parts, told(opened.server), f"{opened.cpu:,.0f}", goal)
    if opened.fault:
        table.note(f"{path}: {opened.fault}")


def _measured(year: Year, browser: Browsed, options: Options) -> Generator[tuple[str, Opened]]:
    """Open the pages in turns, and give each with what was measured of it once all turns are over."""
    found = {path: Opened() for path in (*pages(year), _EMPTY)}
    for path in pages(year)[: 1 if options.quick else _FIRST]:
        with console_on(year) as console:
            look = _look(browser, f"{at(console)}{path}", found[path])
            found[path].first = float("nan") if look is None else look.there
    with console_on(year) as console:
        for turn in range(_TIMES * options.rounds + 1):
            for path, opened in found.items():
                look = None if opened.fault else _look(browser, f"{at(console)}{path}", opened)
                if turn and look is not None:  # the first is colder than the others
                    opened.looks.append(look)
        for path, opened in found.items():
            if not opened.fault:
                worked, times = console.cpu_s(), _TIMES * options.rounds
                opened.server = asked(f"{at(console)}{path}", times)
                opened.cpu = 1000 * (console.cpu_s() - worked) / times
            yield path, opened


def _look(browser: Browsed, url: str, opened: Opened) -> Look | None:
    try:
        return browser.open(url, Sight("") if url.endswith(_EMPTY) else _END)
    except NotServed as fault:
        opened.fault = str(fault)
        return None


def _files(year: Year, options: Options) -> Generator[tuple[str, ...]]:
    """Ask for what is kept as a file: it is no page that a browser shows."""
    with console_on(year) as console, httpx.Client(trust_env=False, timeout=60) as client:
        for path in pages(year):
            bare, _, query = path.partition("?")
            for form in _FILES if bare != "/" else ():
                name = f"{bare}.{form}?{query}".removesuffix("?")
                if client.get(f"{at(console)}{name}").status_code != 404:  # not every page has each form
                    yield _served(name, asked(f"{at(console)}{name}", _TIMES * options.rounds))


def _hung(year: Year) -> Generator[tuple[str, ...]]:
    """Ask for the pages that ask Prefect, while it takes every connection and answers nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with console_on(year, port) as console:
            time.sleep(_HANGS_S)  # what the console asks when it starts has had its time
            for path in ("/", "/runs"):
                first, *took = asked(f"{at(console)}{path}", _HUNG)
                yield _served(f"{path}, while Prefect hangs", took, f"{first:,.0f}")


def _served(name: str, took: list[float], first: str = "") -> tuple[str, ...]:
    return (name, first, "", "", "", told(took), "", "kept" if median(took) <= _GOAL_MS else "MISSED")


def pages(year: Year) -> list[str]:
    """Give the address of every page, with a prediction that is there."""
    with sqlite3.connect(f"file:{year.home / 'keepfit.db'}?mode=ro", uri=True) as store:
        query = "select prediction_id, reference_id from predictions_1 order by predicted_at desc limit 1"
        prediction, reference = store.execute(query).fetchone()
    return [path.format(prediction=prediction, reference=reference) for path in PAGES]
