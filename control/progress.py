"""Progress on a terminal: a bar on standard error where something takes more than two seconds."""

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

Advance = Callable[[int], None]
"""Called with how many more rows were read."""


@contextmanager
def counting(what: str, total: int | None) -> Generator[Advance]:
    """Show how many rows were read, of how many where that is known."""
    with _bar() as bar:
        task = bar.add_task(what, total=total)
        yield lambda rows: bar.advance(task, rows)


@contextmanager
def stepping(what: str, logger: str | None = None) -> Generator[None]:
    """Show that work goes on, and the step that it is at, as `logger` names it."""
    with _bar() as bar:
        task = bar.add_task(what, total=None)
        handler = _Shower(lambda step: bar.update(task, description=f"{what}: {step}"))
        log = logging.getLogger(logger or __name__)
        log.addHandler(handler)
        try:
            yield
        finally:
            log.removeHandler(handler)


class _Shower(logging.Handler):
    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__()
        self._show = show

    def emit(self, record: logging.LogRecord) -> None:
        self._show(record.getMessage())


def _bar() -> Progress:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    # Not a terminal: nothing is drawn, and nothing of it stands in a log.
    return Progress(
        *columns, console=Console(stderr=True), transient=True, disable=not Console(stderr=True).is_terminal
    )
