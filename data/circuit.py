"""A circuit: who did not answer is not asked again for a while."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Circuit:
    """Remember for `rest_s` seconds that a service did not answer, and why.

    Each question to a service that hangs costs its whole time-out. So the first one pays it, those that
    follow are refused at once, and after the rest the next one tries again.
    """

    rest_s: float
    clock: Callable[[], float] = time.monotonic
    _why: str = field(default="", init=False)
    _until: float = field(default=float("-inf"), init=False)

    def refusal(self) -> str | None:
        """Say why not to ask now; None when it may be tried."""
        left = self._until - self.clock()
        return f"{self._why}; not asked again for {left:.0f} s" if left > 0 else None

    def failed(self, why: str) -> None:
        """Note that a question was not answered."""
        self._why, self._until = why, self.clock() + self.rest_s
