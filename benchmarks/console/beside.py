"""The same questions to the console, to MLflow and to Evidently, in turns: who is not asked is at rest."""

from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median

from benchmarks.console.browsed import Browsed, Sight, asked, told
from benchmarks.console.consoles import at, console_on
from benchmarks.console.history import Year
from benchmarks.console.known import KnownTable
from benchmarks.console.theirs import EVERY_VERSION, EVERY_WATCH, EVIDENTLY, LAST_WATCH, MLFLOW, OVER_THE_YEAR
from benchmarks.servers import NotServed, Served

_OURS = "Keepfit"
_PAGES = {
    OVER_THE_YEAR: ("/timeline", Sight("365 watches", "svg.lanes .line path")),
    EVERY_WATCH: ("/reports", Sight("1 January 2026, 00:00 UTC")),
    LAST_WATCH: ("/reports/2026-01-01T000000Z", Sight("What moved most", "svg.bars path")),
    EVERY_VERSION: ("/models", Sight("Version 52")),
}
"""A question, where the console answers it, and what then stands there."""
NOTES = (
    "how it went: until something is drawn; MLflow draws its newest 10 runs then, the console the year",
    "every watch: until the newest stands there; MLflow then has 100 of them, Evidently 10, the console 100",
    "what the last watch found: metrics in MLflow, the verdict in Evidently, bars of columns in the console",
    "MLflow and Evidently are given no rows: their pages are of runs, versions and reports only",
)


@dataclass(frozen=True)
class _Side:
    """A server that answers some of the questions; it is at rest from the beginning."""

    name: str
    served: Served
    ready: str
    pages: Mapping[str, tuple[str, Sight]]

    @contextmanager
    def awake(self) -> Generator[None]:
        """Let it go on, and do first what it put off while it was at rest."""
        with self.served.awake():
            asked(f"{at(self.served)}{self.ready}", 1)
            yield


def measure_beside(year: Year, browser: Browsed, rounds: int, table: KnownTable) -> None:
    """Open the pages for the same questions; who does not come up or answer is named and left out."""
    with ExitStack() as stack:
        sides = [_Side(_OURS, stack.enter_context(console_on(year)), "/health/live", _PAGES)]
        sides[0].served.rest()
        for each in (MLFLOW, EVIDENTLY):
            try:
                served, pages = stack.enter_context(each.opened(year))
            except NotServed as fault:
                table.note(f"{each.name} is left out: {_briefly(fault)}")
                continue
            served.rest()
            sides.append(_Side(each.name, served, each.ready, pages))
            table.note(f"{each.name} answers {served.ready_s:.0f} s after its start")
        for question in _PAGES:
            _ask(question, [side for side in sides if question in side.pages], browser, rounds, table)


def _ask(question: str, sides: list[_Side], browser: Browsed, rounds: int, table: KnownTable) -> None:
    found: dict[str, list[float]] = {side.name: [] for side in sides}
    for turn in range(rounds + 1):
        for side in sides:
            if side.name not in found:
                continue
            where, sight = side.pages[question]
            try:
                with side.awake():
                    there = browser.open(f"{at(side.served)}{where}", sight).there
            except NotServed as fault:
                del found[side.name]
                table.note(f"{question}: {side.name} is left out: {_briefly(fault)}")
                continue
            if turn:  # in the first one the browser fetched what may be cached
                found[side.name].append(there)
    for name, there in found.items():
        known = name != _OURS and _OURS in found
        ratio = f"{median(there) / median(found[_OURS]):.1f} x" if known else ""
        table.add(f"{question}: {name}", "", told(there), "", "", "", "", ratio)


def _briefly(fault: NotServed) -> str:
    first, *more = str(fault).strip().splitlines()
    return f"{first} {more[-1].strip()}" if more else first
