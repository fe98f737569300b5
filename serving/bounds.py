"""What loading a bundle may take of the process that answers: so much time, and so much memory."""

import resource
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import Self

from keepfit.errors import BundleUnusable
from keepfit.settings import Settings

Stops = list[Callable[[], object]]
"""What ends the loading when its time is over; called in another thread."""


@dataclass(frozen=True)
class Bounds:
    """How long a bundle may take to load and to give its golden outputs, and how much memory meanwhile."""

    load_s: float = Settings.load_s
    load_bytes: int = Settings.load_bytes

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Bound what is loaded as the settings say."""
        return cls(settings.load_s, settings.load_bytes)

    @contextmanager
    def held(self, what: str) -> Generator[Stops]:
        """Hold what is done here to its bounds; `what` is said of it where it took too long (BundleUnusable).

        An allocation beyond the memory fails, in whichever thread: better than that the kernel ends the
        process. Only what ONNX Runtime does between two of its steps can be stopped: one long step goes on.
        """
        stops: Stops = []
        late: list[bool] = []

        def stop() -> None:
            late.append(True)
            for each in stops:
                each()

        timer = Timer(self.load_s, stop)
        timer.daemon = True
        timer.start()
        try:
            with _memory(self.load_bytes):
                yield stops
        finally:
            timer.cancel()
            timer.join()  # from here on nothing is stopped any more: what was loaded is to answer
            if late:
                msg = f"{what}: took longer than {self.load_s:g} s to load and to give its golden outputs"
                raise BundleUnusable(f"{msg}; KEEPFIT_LOAD_S lets it take longer")


@contextmanager
def _memory(more: int) -> Generator[None]:
    """Let this process map at most so many bytes more than it does now."""
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = [limit for limit in (mapped + more, soft, hard) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min(most), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
