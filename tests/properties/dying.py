"""Deaths at fault points, in the process of the test."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

from keepfit import faults


class Died(BaseException):
    """The death of a process at a fault point: nothing of Keepfit catches it."""


@contextmanager
def armed(handler: Callable[..., None]) -> Iterator[None]:
    """Have every fault point handled, and none afterwards."""
    faults.arm(handler)
    try:
        yield
    finally:
        faults.arm(None)


@contextmanager
def dying(at: str | None, time: int = 1) -> Iterator[list[str]]:
    """Die where a point is reached for the n-th time; the yielded list then has its name."""
    times, died = count(1), list[str]()

    def handler(point: str, *_: object) -> None:
        if point == at and next(times) == time:
            died.append(point)
            raise Died

    with armed(handler):
        try:
            yield died
        except Died:
            assert died
