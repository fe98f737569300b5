"""What a benchmark is asked for, and the plain aligned table that it prints."""

import os
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median


@dataclass(frozen=True, slots=True)
class Options:
    """How long to measure: `rows` None leaves each benchmark its own count."""

    quick: bool = False
    rows: int | None = None

    @property
    def rounds(self) -> int:
        """How often each side is measured, in turns; figures are medians."""
        return 1 if self.quick else 3

    def count(self, usual: int) -> int:
        """Say how many rows to measure on."""
        return self.rows or (usual // 10 if self.quick else usual)


@dataclass
class Table:
    """A title, rows of cells under a header, and what a reader must know about them."""

    title: str
    header: Sequence[str]
    notes: Sequence[str] = ()
    rows: list[Sequence[str]] = field(default_factory=list)

    def add(self, *cells: str) -> None:
        """Add a row."""
        self.rows.append(cells)

    def text(self) -> str:
        """Write it: the first column to the left, numbers to the right."""
        lines = [self.header, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.header))]
        written = [
            "  ".join(
                cell.rjust(w) if i else cell.ljust(w)
                for i, (cell, w) in enumerate(zip(line, widths, strict=True))
            )
            for line in lines
        ]
        rule = "  ".join("-" * width for width in widths)
        return "\n".join(
            [self.title, "", written[0], rule, *written[1:], "", *(f"* {n}" for n in self.notes)]
        )


class Stopwatch:
    """Seconds by name, on the wall and of the processor; the same name may be measured several times."""

    def __init__(self) -> None:
        self._laps: dict[str, list[tuple[float, float]]] = {}

    @contextmanager
    def lap(self, name: str) -> Generator[None]:
        """Measure what runs inside."""
        began, worked = time.perf_counter(), time.process_time()
        yield
        took = (time.perf_counter() - began, time.process_time() - worked)
        self._laps.setdefault(name, []).append(took)

    def median(self, name: str) -> float:
        """Give the median of a name's laps, in seconds."""
        return median(wall for wall, _ in self._laps[name])

    def cpu(self, name: str) -> float:
        """Give the median of the processor seconds, which other processes change least."""
        return median(worked for _, worked in self._laps[name])


class Parts:
    """Seconds by part of a whole, on the wall and of this process's processor.

    What one part does inside another is not the other's.
    """

    def __init__(self) -> None:
        self._inside = [(0.0, 0.0)]
        self._round: dict[str, tuple[float, float]] = {}
        self._rounds: list[dict[str, tuple[float, float]]] = []

    @contextmanager
    def lap(self, name: str) -> Generator[None]:
        """Measure what runs inside."""
        began, worked = time.perf_counter(), time.process_time()
        self._inside.append((0.0, 0.0))
        try:
            yield
        finally:
            took = time.perf_counter() - began, time.process_time() - worked
            others, before = self._inside.pop(), self._round.get(name, (0.0, 0.0))
            self._round[name] = (before[0] + took[0] - others[0], before[1] + took[1] - others[1])
            outer = self._inside[-1]
            self._inside[-1] = (outer[0] + took[0], outer[1] + took[1])

    def end_round(self) -> None:
        """Begin again from nothing."""
        self._rounds.append(self._round)
        self._round = {}

    def forget_round(self) -> None:
        """Leave out what was measured since the last round ended."""
        self._round = {}

    def median(self, *names: str) -> tuple[float, float]:
        """Give the medians over the rounds of what some parts took together; one not reached took none."""
        return self._median([[measured.get(name, (0.0, 0.0)) for name in names] for measured in self._rounds])

    def median_round(self) -> tuple[float, float]:
        """Give the medians of the whole rounds."""
        return self._median([list(measured.values()) for measured in self._rounds])

    @staticmethod
    def _median(rounds: list[list[tuple[float, float]]]) -> tuple[float, float]:
        wall, worked = ([sum(part[i] for part in parts) for parts in rounds] for i in (0, 1))
        return median(wall), median(worked)


def cores() -> list[int]:
    """List the cores that this process may run on."""
    return sorted(os.sched_getaffinity(0))


def machine() -> str:
    """Say on what and beside what the figures were made."""
    models = [line.split(":", 1)[1].strip() for line in _cpuinfo() if line.startswith("model name")]
    load = ", ".join(f"{average:.1f}" for average in os.getloadavg())
    return f"{len(cores())} cores ({models[0] if models else 'unknown model'}), load average before: {load}"


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []
