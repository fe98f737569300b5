"""How long a model takes for a number of rows, learned from what it took."""

_LEARNING = 0.2
"""The weight of the newest run."""
_MOST = 6.0
"""The most that one run counts, in what runs of its size took so far: it may have been held up."""
_SIZES = 24
_LARGEST = 1 << (_SIZES - 3)
_TARGET_S = 0.025
"""What one batch may take: no request waits longer than this for a row that came before it."""


class Pace:
    """Seconds by the number of rows, kept by powers of two.

    For most models a hundred rows cost little more than one, for some a hundred times as much.
    """

    def __init__(self) -> None:
        self._measured: list[float | None] = [None] * _SIZES
        self._estimates = [0.0] * _SIZES
        self.limit = 1
        """How many rows one batch may have, so that it keeps to its time."""

    def learn(self, rows: int, seconds: float) -> None:
        """Take a run into account."""
        size = rows.bit_length()
        before = self._measured[size]
        if before is None:
            self._measured[size] = seconds
            self._estimate()
        else:
            now = before + _LEARNING * (min(seconds, _MOST * before) - before)
            self._measured[size] = now
            if abs(now - self._estimates[size]) > 0.1 * self._estimates[size]:
                self._estimate()
        if self.limit > 1 and self.seconds(self.limit) > _TARGET_S:
            self.limit //= 2
        while self.limit <= min(rows, _LARGEST) and self.seconds(self.limit * 2) <= _TARGET_S:
            self.limit *= 2

    def seconds(self, rows: int) -> float:
        """Estimate a run; 0 where nothing is known."""
        return self._estimates[rows.bit_length()]

    def knows(self, rows: int) -> bool:
        """Whether runs of about so many rows, or of more, were measured: of others nobody knows."""
        return any(self._measured[max(0, rows.bit_length() - 2) :])

    def wait(self, rows: int) -> float:
        """Estimate how long rows take that are answered in batches as large as they may be."""
        batches, rest = divmod(rows, self.limit)
        return batches * self.seconds(self.limit) + (self.seconds(rest) if rest else 0.0)

    def _estimate(self) -> None:
        """Fill the sizes between: in proportion to the next smaller, but no more than a larger one took."""
        estimate: float | None = None
        found: list[float | None] = []
        for measured in self._measured:
            estimate = measured if measured is not None else estimate and estimate * 2
            found.append(estimate)
        least: float | None = None
        for size in reversed(range(_SIZES)):
            measured = self._measured[size]
            if measured is not None:
                least = measured if least is None else min(least, measured)
            elif least is not None:
                found[size] = min(found[size] or least, least)
        self._estimates = [seconds or 0.0 for seconds in found]
