"""An answer that somebody else gives in his own time: a page waits a moment for it, and no longer."""

import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from threading import Lock
from typing import Generic, TypeVar

from keepfit.errors import ServiceUnavailable

T = TypeVar("T")

YOUNG_S = 10.0
"""How long an answer may stand for the next one."""
FIRST_S, AGAIN_S, AWAY_S = 2.0, 0.2, 0.05
"""How long to wait: where there is no young answer, where there is one, and where that was a refusal."""


class Awaited(Generic[T]):
    """One question, asked in a thread each time that its answer is wanted and none is on its way.

    So what is told is never older than the last time that somebody looked within `YOUNG_S`, and a service
    that hangs costs its time-out once, and not each page.
    """

    def __init__(self, of: str, ask: Callable[[], T], threads: Executor) -> None:
        self._of = of
        self._ask = ask
        self._threads = threads
        self._lock = Lock()
        self._asking: Future[T] | None = None
        self._told: tuple[Future[T], float] | None = None

    def answer(self) -> T:
        """Return the answer, or the last one where this takes longer; ServiceUnavailable without any."""
        with self._lock:
            last = self._young()
            asking = self._asking
            if asking is None:
                asking = self._asking = self._threads.submit(self._ask)
                asking.add_done_callback(self._note)
        try:
            return asking.result(_patience(last))
        except TimeoutError:
            if last is None:
                msg = f"{self._of} gave no answer in time; look again"
                raise ServiceUnavailable(msg) from None
            return last.result()

    def _young(self) -> Future[T] | None:
        if self._told is None or time.monotonic() - self._told[1] > YOUNG_S:
            return None
        return self._told[0]

    def _note(self, told: Future[T]) -> None:
        self._told = told, time.monotonic()
        self._asking = None


def _patience(last: Future[T] | None) -> float:
    if last is None:
        return FIRST_S
    return AGAIN_S if last.exception() is None else AWAY_S
