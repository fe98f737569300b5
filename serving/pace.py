"""How long a model takes for a number of rows, learned from what it took."""

_LEARNING = 0.2
"""The weight of the newest run."""
_SIZES = 24
_TARGET_S = 0.025
"""What one batch may take: no request waits longer than this for a row that came before it."""


class Pace:
    """Seconds by the number of rows, kept by powers of two.

    For most models a hundred rows cost little more than one, for some a hundred times as much.
    """

    def __init__(self) -> None:
        self._seconds: list[float | None] = [None] * _SIZES
        self.limit = 1
        """How many rows one batch may have: doubled while batches keep to their time, halved when not."""

    def learn(self, rows: int, seconds: float) -> None:
        """Take a run into account."""
        size = rows.bit_length()
        before = self._seconds[size]
        if before is None:
            self._seconds[size] = seconds
        else:  # at most doubled: one run that was held up says nothing of the model
            self._seconds[size] = before + _LEARNING * (min(seconds, 6 * before) - before)
        if seconds > _TARGET_S:
            self.limit = max(1, min(self.limit, rows) // 2)
        elif rows * 2 > self.limit:
            self.limit = min(self.limit * 2, 1 << (_SIZES - 1))

    def seconds(self, rows: int) -> float:
        """Estimate a run: as one of its size took, or in proportion to the nearest size that is known."""
        size = rows.bit_length()
        took = self._seconds[size]
        if took is not None:
            return took
        for near in sorted(range(_SIZES), key=lambda other: abs(other - size)):
            took = self._seconds[near]
            if took is not None:
                return took * rows / (1 << max(0, near - 1))
        return 0.0

    def knows(self, rows: int) -> bool:
        """Whether runs of about so many rows, or of more, were measured: of others an estimate says little."""
        return any(self._seconds[max(0, rows.bit_length() - 2) :])

    def wait(self, rows: int) -> float:
        """Estimate how long rows take that are answered in batches as large as they may be."""
        batches, rest = divmod(rows, self.limit)
        return batches * self.seconds(self.limit) + (self.seconds(rest) if rest else 0.0)
