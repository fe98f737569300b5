"""Collect what came in: drain the journals, take the landing folder, import history."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from itertools import islice
from pathlib import Path

import msgspec

from data import kept
from data.backlog import note_drained
from data.expectations import objections
from data.files import FORMATS, BadRow, OpenFile, Row, open_file, shown_name
from data.intake import (
    Origin,
    Records,
    kind_of_file,
    take_journaled,
    take_labels,
    take_rows,
)
from data.journal import Chunk, folder_mark, journal_files, read_journal
from data.landing import LandingFolder, open_landing
from data.parts import WHOLE, Chosen, Part
from data.records import CapturedPredictions, Label, Prediction, Rejected, now
from data.store import AlreadyTaken, Batch, LandedFile, OffsetMove, Taken
from keepfit.errors import FileUnreadable, StateError
from keepfit.faults import reach
from tasks import note
from tasks.loop import Loop

_log = logging.getLogger(__name__)

_TOGETHER = 8
"""How many journal files are drained side by side: validating costs the same for all as for one."""

Progress = Callable[[int], None]
"""Called with how many more rows were read."""


@dataclass(frozen=True)
class Collected:
    """What was received, and that all of it was accepted or set aside."""

    predictions: int = 0
    labels: int = 0
    quarantined: int = 0
    files: tuple[str, ...] = ()
    refused_files: tuple[str, ...] = ()
    left_out: int = 0
    """Rows of a file that lie outside of the part that was asked for."""
    positions: dict[str, int] = field(default_factory=dict[str, int])
    """How far each journal file was read."""

    def __add__(self, other: "Collected") -> "Collected":
        return Collected(
            *(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)[:-1]),
            positions={**self.positions, **other.positions},
        )


def drain_journals(loop: Loop) -> Collected:
    """Take what the workers journaled into the store, exactly once.

    A closed and drained file is deleted, or kept where there are backups. A drain that dies anywhere is
    repeated without a loss or a double; two at once share the work.
    """
    known = loop.store.journal_positions(loop.name)
    total, files = Collected(), journal_files(loop.journal)
    for first in range(0, len(files), _TOGETHER):
        total += _drain(loop, {path: known.get(path.name, 0) for path in files[first : first + _TOGETHER]})
    there = {path.name for path in [*journal_files(loop.journal), *kept.kept_files(loop.journal)]}
    for gone in known.keys() - there:
        if f"-{folder_mark(loop.journal)}-" in gone:  # other machines have files of their own
            loop.store.forget_journal(loop.name, gone)
    note_drained(loop.journal, loop.store.journal_positions(loop.name), now())
    return total


def take_landed(loop: Loop) -> Collected:
    """Take every file of the landing folder; one that cannot be read is set aside with its reason.

    Files named `.part`, hidden ones and folders are left alone, and one that grows while it is read is
    left for the next run: a writer that takes its time writes to a `.part` and renames it. What was taken
    moves to `taken/`, what was refused to `refused/` with the reason beside it: links and pipes too.
    """
    total = Collected()
    with open_landing(loop.settings.landing(loop.name), loop.settings.landing_bytes) as folder:
        for name in folder.names():
            try:
                total += _take_landed(loop, folder, name)
            except (FileNotFoundError, FileGrows):
                continue  # another run took it, or its writer is still at it: the next run looks again
    return total


class FileGrows(StateError):
    """A landing file changed while it was read."""


def import_file(loop: Loop, path: Path, progress: Progress, part: Part = WHOLE) -> Collected:
    """Take a file of history: a prediction is known when it was made, a label at the project's `label_time`.

    Raises AlreadyTaken when this part of this content was imported before, FileUnreadable when it is no
    such file.
    """
    if not path.is_file():
        msg = f"{path}: there is no such file; import takes {', '.join(sorted(set(FORMATS.values())))}"
        raise FileUnreadable(msg)
    with open_file(path, loop.settings.landing_bytes) as file:
        return _take_file(loop, file, Origin(file.name, subject_key=loop.subject_key), progress, part)


def readmit(loop: Loop, numbers: list[int]) -> Collected:
    """Try quarantined rows and labels again, as the project is now; what fails again stays as it is."""
    total = Collected()
    for entry in loop.quarantine.entries(numbers):
        origin = Origin(entry.source, entry.known_at, loop.subject_key)
        batch = _sift(loop, _again(loop, entry.kind, entry.content, origin), origin)
        refusals = [rejected.reason for rejected in batch.rejected]
        refusal = refusals[0] if refusals else loop.store.contradiction(loop.project, batch)
        if refusal is not None:
            _log.info("row %d of the quarantine fails again: %s", entry.number, refusal)
        elif entry.readmitted_at is None:
            noted = note.row_readmitted(loop, entry.number)
            total += _collected(loop.store.take_in(loop.project, batch, also=noted))
    return total


def _drain(loop: Loop, starts: Mapping[Path, int]) -> Collected:
    """Take files in side by side, a chunk of each at a time: the rows of all are validated at once."""
    total = Collected()
    readers = {path: read_journal(path, start) for path, start in starts.items()}
    while readers:
        read = {path: chunk for path, reader in readers.items() if (chunk := _next(reader)) is not None}
        records = {path: _journaled(loop, chunk) for path, chunk in read.items()}
        found = iter(objections(loop.project, [p for each in records.values() for p in each.predictions]))
        reach("drain.read")
        for path, chunk in read.items():
            own = list(islice(found, len(records[path].predictions)))
            try:
                total += _take_chunk(loop, chunk, records[path].batch(own, Origin(path.name)))
            except AlreadyTaken:
                del readers[path]  # another drain is at this file and goes on with it
        readers = {path: reader for path, reader in readers.items() if path in read}
    return total


def _next(reader: Iterator[Chunk]) -> Chunk | None:
    try:
        return next(reader, None)
    except FileNotFoundError:
        return None  # another drain took it to its end


def _take_chunk(loop: Loop, chunk: Chunk, batch: Batch) -> Collected:
    path, taken = chunk.path, Collected()
    if chunk.end > chunk.start:
        move = OffsetMove(path, chunk.start, chunk.end)
        taken = _collected(loop.store.take_in(loop.project, batch, move=move))
    reach("drain.committed")
    if chunk.finished:
        _let_go(loop, path)
    return taken + Collected(positions={path.name: chunk.end})


def _let_go(loop: Loop, path: Path) -> None:
    """Delete a file that was taken whole, or keep it, with its offset, for the backups."""
    if kept.keeping(loop.settings.home):
        kept.keep(path)
        return
    # First the file, then its offset: an offset without a file is forgotten by the next drain.
    try:
        path.unlink()
    except FileNotFoundError:
        return  # another drain deleted it, or keeps it: its offset is for that one to forget
    reach("drain.deleted")
    loop.store.forget_journal(loop.name, path.name)


def _journaled(loop: Loop, chunk: Chunk) -> Records:
    predictions: list[Prediction] = []
    labels: list[Label] = []
    for entry in chunk.entries:
        if isinstance(entry, CapturedPredictions):
            predictions += entry.rows
        else:
            labels += entry.labels
    records = take_journaled(loop.project, predictions, labels, chunk.path.name)
    records.rejected += [
        Rejected("journal line", torn.content, torn.reason, chunk.path.name, now()) for torn in chunk.torn
    ]
    return records


def _take_landed(loop: Loop, folder: LandingFolder, name: str) -> Collected:
    try:
        with folder.open(name) as file:
            try:
                taken = _take_file(loop, file, Origin(file.name, now(), loop.subject_key))
            except AlreadyTaken:
                taken = Collected()
            except FileUnreadable:
                if file.changed():
                    raise _growing(file) from None
                raise
            folder.take(name, file)
            return taken
    except FileUnreadable as refusal:
        return _refuse_file(loop, folder, name, str(refusal))


def _take_file(
    loop: Loop, file: OpenFile, origin: Origin, progress: Progress | None = None, part: Part = WHOLE
) -> Collected:
    file.require_fitting()
    content = file.content_hash()
    digest = part.digest(content)
    if loop.store.is_taken(loop.name, digest):
        what = "these rows were" if part.bounded else "this content was"
        msg = f"{file.name}: {what} taken in before; nothing is left to do"
        raise AlreadyTaken(msg)
    columns, rows = file.read()
    kind = kind_of_file(loop.project, columns, file.name)
    if part.bounded and kind == "labels":
        msg = f"{file.name}: holds labels, and a part is chosen by the time of rows; import it whole"
        raise FileUnreadable(msg)
    chosen = Chosen(loop.project, part, _counted(rows, progress))
    records = (take_rows if kind == "rows" else take_labels)(loop.project, chosen, origin)
    batch = _sift(loop, records, origin)
    if file.changed() or file.content_hash() != content:
        raise _growing(file)
    landed = LandedFile(digest, file.name, now())
    noted = note.file_taken(loop, landed, origin.known_at is None, part)
    taken = loop.store.take_in(loop.project, batch, file=landed, also=noted)
    return _collected(taken) + Collected(files=(file.name,), left_out=chosen.left_out)


def _growing(file: OpenFile) -> FileGrows:
    return FileGrows(f"{file.name}: changed while it was read; it is left for the next run")


def _sift(loop: Loop, records: Records, origin: Origin) -> Batch:
    return records.batch(objections(loop.project, records.predictions), origin)


def _counted(rows: Iterable[Row | BadRow], progress: Progress | None) -> Iterator[Row | BadRow]:
    for number, row in enumerate(rows, 1):
        if progress is not None and number % 1000 == 0:
            progress(1000)
        yield row


def _again(loop: Loop, kind: str, content: str, origin: Origin) -> Records:
    try:
        row = msgspec.json.decode(content, type=Row)
    except msgspec.MsgspecError as fault:
        return Records(rejected=[Rejected(kind, content, str(fault), origin.name, now())])
    if kind == "row" and "features" in row and "prediction_id" in row:
        return take_journaled(loop.project, [msgspec.convert(row, Prediction)], [], origin.name)
    if kind == "label" and "label_id" in row:
        return take_journaled(loop.project, [], [msgspec.convert(row, Label)], origin.name)
    return (take_rows if kind == "row" else take_labels)(loop.project, [row], origin)


def _refuse_file(loop: Loop, folder: LandingFolder, name: str, reason: str) -> Collected:
    shown = shown_name(name)
    rejected = Rejected("file", folder.refuse(name, reason), reason, shown, now())
    taken = loop.store.take_in(loop.project, Batch(rejected=[rejected]))
    return _collected(taken) + Collected(refused_files=(shown,))


def _collected(taken: Taken) -> Collected:
    return Collected(taken.predictions, taken.labels, taken.rejected)
