"""What each `watch` left in the reports' folder, read back; a file of an older Keepfit lacks some of it."""

import re
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from keepfit.settings import report_name

_VERDICT, _PAGE = "verdict.json", "report.html"
NAME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{6}Z")

Scores = dict[str, float | None]


class Span(Struct, frozen=True):
    """A window of event time."""

    since: datetime
    until: datetime


class Spans(Struct, frozen=True):
    """The two windows that were compared."""

    reference: Span
    current: Span


class Moved(Struct, frozen=True):
    """What was found about one column; `effect` is the share of rows that moved."""

    column: str
    words: str = ""
    drift: bool | None = None
    effect: float | None = None
    p_value: float | None = None
    what: str | None = None


class Drifted(Struct, frozen=True):
    """Whether the data drifted; None: cannot say."""

    drift: bool | None = None
    p_value: float | None = None
    findings: tuple[Moved, ...] = ()
    reasons: tuple[str, ...] = ()
    reference_rows: int = 0
    current_rows: int = 0

    @property
    def said(self) -> str:
        """Why the verdict is what it is."""
        return "; ".join(self.reasons).removeprefix("cannot say: ")

    @property
    def foremost(self) -> Moved | None:
        """The column that comes first: of those that drifted, else of all, the one that moved farthest."""
        single = [found for found in self.findings if found.what != "together"]
        return max(single, key=lambda found: (found.drift is True, found.effect or 0.0), default=None)


class Scored(Struct, frozen=True):
    """How good the champion was on the current window."""

    metric: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    confidence: float = 0.95
    scores: Scores = {}
    rows: int = 0
    labelled: int = 0
    scored: int = 0
    sentence: str = ""
    unknown: str | None = None


class Stood(Struct, frozen=True):
    """The scores of one way of answering the labelled rows of the current window."""

    version: int | None = None
    scores: Scores = {}
    rows: int = 0


class Arrived(Struct, frozen=True):
    """The labels that became known in the current window; delays in seconds."""

    labels: int = 0
    matched: int = 0
    unmatched: int = 0
    doubled: int = 0
    contradicting: int = 0
    early: int = 0
    delay_median_s: float | None = None
    delay_95_s: float | None = None


class Estimated(Struct, frozen=True):
    """How good all answers of the current window will prove, once every label is there."""

    sentence: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    how: str = ""
    unknown: str | None = None


class Harmed(Struct, frozen=True):
    """What the drift of one column does to the model; None: cannot say."""

    words: str = ""
    harmful: bool | None = None


class Sliced(Struct, frozen=True):
    """One part of the rows that fell behind the others, or is worse than they are."""

    words: str = ""
    alarm: bool | None = None
    worse: bool | None = None


class Told(Struct, frozen=True):
    """One thing about the data's quality; None: cannot say."""

    words: str = ""
    alarm: bool | None = None


class Quality(Struct, frozen=True):
    """What else is worth a look in the data."""

    findings: tuple[Told, ...] = ()


class Wanted(Struct, frozen=True):
    """Why a retrain was asked for."""

    kind: str
    evidence: str


class Drawn(Struct, frozen=True):
    """Whether Evidently drew a page."""

    file: str | None = None
    no_page_because: str | None = None


class Watch(Struct, frozen=True):
    """What one `watch` found out; `version` is the champion's. Of slices, those that fell behind."""

    as_of: datetime
    version: int | None = None
    windows: Spans | None = None
    verdict: Drifted = Drifted()
    performance: Scored | None = None
    reason: Wanted | None = None
    withheld: str | None = None
    person: bool = False
    estimate: Estimated | None = None
    harms: tuple[Harmed, ...] = ()
    slices: tuple[Sliced, ...] = ()
    quality: Quality | None = None
    served: Stood | None = None
    frozen: Stood | None = None
    labels: Arrived | None = None
    page: Drawn = Drawn()

    @property
    def name(self) -> str:
        """The name of its folder, which is its address."""
        return report_name(self.as_of)

    @property
    def month(self) -> str:
        """The month that it is of, in the order of time."""
        return f"{self.as_of:%Y-%m}"

    @property
    def asks(self) -> str:
        """Say whether a retrain was asked for, and why not."""
        if self.reason is not None:
            return f"A retrain was asked for: {self.reason.evidence}"
        return f"No retrain was asked for: {self.withheld}" if self.withheld else "No reason to retrain."

    @property
    def alarms(self) -> list[str]:
        """What beside drift asks for a look: slices that fell behind, and the data's quality."""
        found = [each.words for each in self.slices if each.alarm]
        return found + [each.words for each in (self.quality.findings if self.quality else ()) if each.alarm]

    @property
    def matured(self) -> float | None:
        """The share of the current window's predictions whose label is known."""
        found = self.performance
        return found.labelled / found.rows if found is not None and found.rows else None

    @property
    def loop(self) -> Scores:
        """The scores of the answers as given; in an older file, of the champion that answered again."""
        if self.served is not None:
            return self.served.scores
        return self.performance.scores if self.performance is not None else {}


class Watches:
    """The watches of a project's reports; each file is read again only when it was written again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, tuple[int, Watch | None]] = {}

    def every(self) -> list[Watch]:
        """Return every watch, oldest first; what cannot be read is left out."""
        try:
            names = [each.name for each in self._folder.iterdir()]
        except OSError:
            return []
        found = (self.named(name) for name in names)
        return sorted((watch for watch in found if watch is not None), key=lambda watch: watch.as_of)

    def named(self, name: str) -> Watch | None:
        """Return the watch of one folder, or None where there is none that can be read."""
        if NAME.fullmatch(name) is None:
            return None
        path = self._folder / name / _VERDICT
        try:
            written = path.stat().st_mtime_ns
            kept = self._read.get(name)
            if kept is None or kept[0] != written:
                # Replaced at once, never written in place: what is read is of this time or a later one.
                kept = self._read[name] = (written, _read(path))
        except OSError:
            return None
        return kept[1]


def _read(path: Path) -> Watch | None:
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Watch)
    except msgspec.MsgspecError:
        return None
    # Of 200 columns there are 800 slices: those of a year of watches would take hundreds of megabytes.
    return msgspec.structs.replace(found, slices=tuple(each for each in found.slices if each.alarm))


def drawn_page(folder: Path, name: str) -> Path | None:
    """Say where the page that Evidently drew is, or None where there is none."""
    page = folder / name / _PAGE
    return page if NAME.fullmatch(name) is not None and page.is_file() else None
