r"""The append-only file of one serving worker, and reading it back for a drain.

A line is `crc32 json\n`. A worker opens a new file and never reopens one; while it writes, it holds
the file's lock, so whoever can lock a file knows that nothing will be added to it.
"""

import errno
import fcntl
import os
import secrets
import threading
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from data.durable import sync_folder
from data.records import AcknowledgedLabels, Entry, new_id
from keepfit.errors import NO_ROOM, CaptureFailed
from keepfit.faults import reach
from keepfit.secret import secret_key

SUFFIX = ".journal"
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Entry).decode


def encode_line(entry: Entry) -> bytes:
    """Write an entry as one line; lines that stand one after the other may be appended together."""
    body = _encode(entry)
    return b"%08x %b\n" % (zlib.crc32(body), body)


def empty_line(size: int) -> bytes:
    """Write an entry of nothing as one line of at least so many bytes, to see whether there is room."""
    body = _encode(AcknowledgedLabels(())).ljust(size)
    return b"%08x %b\n" % (zlib.crc32(body), body)


class Journal:
    """What one worker process writes; one thread appends, any thread may sync.

    `append` and `append_lines` return when the lines are in the kernel (they survive this process), `sync`
    when all that was appended before it is on disk (it survives the machine).
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._changing_file = threading.Lock()
        self._file: int | None = None
        self._size = 0
        self.name = ""
        self.lost: set[str] = set()
        """Files whose sync failed, or that were removed: nothing in them may be acknowledged any more."""

    def append(self, entry: Entry) -> str:
        """Add one line whole or not at all and name its file; raise CaptureFailed when it could not be."""
        return self.append_lines(encode_line(entry))

    def append_lines(self, lines: bytes) -> str:
        """Add lines of `encode_line` in one write, each whole or not at all, and name their file.

        Raises CaptureFailed when not all could be written; it says how many of the first are in the file.
        """
        try:
            if self._file is None or self._size >= self._max_bytes or not self._in_place():
                self._next_file()
        except OSError as fault:
            raise _failed(self._folder, "written", fault) from fault
        self._write(lines)
        return self.name

    def sync(self) -> None:
        """Wait until every line appended so far is on disk, but for those in `lost` files.

        Raises CaptureFailed when the present file has just become one of them.
        """
        with self._changing_file:
            if self._file is None or self.name in self.lost:
                return
            try:
                reach("journal.sync", self._file)
                os.fdatasync(self._file)
                if not self._in_place():
                    raise FileNotFoundError(errno.ENOENT, "it was removed")
            except OSError as fault:
                # The kernel may have dropped the pages, and a second sync would say nothing of it.
                self.lost.add(self.name)
                raise _failed(self._folder / self.name, "synced", fault) from fault
            reach("journal.synced", self._file)

    def close(self) -> None:
        """Sync and release the file: a drain may now take it to its end and delete it."""
        with self._changing_file:
            if self._file is None:
                return
            descriptor, self._file = self._file, None
            try:
                if self.name not in self.lost:
                    reach("journal.sync", descriptor)
                    os.fsync(descriptor)
                    reach("journal.synced", descriptor)
            except OSError:
                self.lost.add(self.name)
                raise
            finally:
                os.close(descriptor)

    def _in_place(self) -> bool:
        """Say whether the open file is one to write to: not lost, and not removed."""
        if self.name in self.lost:
            return False
        assert self._file is not None
        if os.fstat(self._file).st_nlink:
            return True
        # Whoever removed it, or its folder, removed its lines: those that wait for a sync are lost too.
        self.lost.add(self.name)
        return False

    def _write(self, lines: bytes) -> None:
        assert self._file is not None
        written = 0
        try:
            reach("journal.write", self._file, lines)
            while written < len(lines):
                written += os.write(self._file, lines[written:] if written else lines)
        except OSError as fault:
            # A drain may have read the whole lines already: what it has seen is never written over.
            whole = lines.rfind(b"\n", 0, written) + 1
            self._size += whole
            self._forget_torn_line()
            kept = lines.count(b"\n", 0, whole)
            raise _failed(self._folder / self.name, "written", fault, kept) from fault
        self._size += written
        reach("journal.written")

    def _forget_torn_line(self) -> None:
        assert self._file is not None
        try:
            os.ftruncate(self._file, self._size)
        except OSError:
            # A drain sets the torn end aside; what follows goes to a new file.
            with suppress(OSError):  # then the file is `lost`
                self.close()

    def _next_file(self) -> None:
        self.close()
        reach("journal.open")
        self._folder.mkdir(parents=True, exist_ok=True)
        name = f"{new_id()}-{folder_mark(self._folder)}-{os.getpid()}{SUFFIX}"
        unnamed = self._folder / f".{name}"
        descriptor = os.open(
            unnamed, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600
        )
        try:
            # Locked before it has a name that a drain looks for: an unlocked file is a closed one.
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            unnamed.rename(self._folder / name)
            sync_folder(self._folder)
        except OSError:
            for left in (unnamed, self._folder / name):
                with suppress(OSError):
                    left.unlink(missing_ok=True)
            os.close(descriptor)
            raise
        with self._changing_file:
            self._file, self._size, self.name = descriptor, 0, name


@dataclass(frozen=True, slots=True)
class Torn:
    """Bytes of a journal that are no line: a worker died while it wrote them, so none was acknowledged."""

    content: str
    reason: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """The lines of one file from `start` to `end` (byte offsets), in order.

    `finished` says that the file is closed and ends here.
    """

    path: Path
    start: int
    end: int
    finished: bool
    entries: list[Entry] = field(default_factory=list[Entry])
    torn: list[Torn] = field(default_factory=list[Torn])


def folder_mark(folder: Path) -> str:
    """Name a journal's folder, as its files do, making the name if there is none.

    Where many machines have one store, each forgets the offsets of its own files only.
    """
    return secret_key(folder / "folder.mark", lambda: secrets.token_hex(4).encode()).decode()


def journal_files(folder: Path) -> list[Path]:
    """List the journal files of a project, oldest first; one that its worker has not locked yet is none."""
    return sorted(folder.glob(f"[!.]*{SUFFIX}"))


def read_chunk(path: Path, start: int, most_bytes: int = 16 * 1024 * 1024) -> Chunk:
    """Read whole lines from `start`, about `most_bytes` of them; at least one line if one is there."""
    closed = _is_closed(path)  # asked before reading: what is closed then is read to its end
    with path.open("rb") as file:
        file.seek(start)
        block = file.read(most_bytes)
        if block and b"\n" not in block:
            block += file.readline()
        at_end = file.read(1) == b""
    whole = block.rfind(b"\n") + 1
    tail = block[whole:]
    chunk_end = start + (len(block) if closed and at_end else whole)
    chunk = Chunk(path, start, chunk_end, finished=closed and at_end)
    for line in block[:whole].splitlines(keepends=True):
        _take(line, chunk)
    if tail and chunk.finished:
        chunk.torn.append(
            Torn(tail.decode("utf-8", "replace"), "the line has no end: its worker died writing it")
        )
    return chunk


def read_journal(path: Path, start: int) -> Iterator[Chunk]:
    """Read a file from `start` to what is its end now, chunk by chunk."""
    while True:
        chunk = read_chunk(path, start)
        yield chunk
        if chunk.finished or chunk.end == start:
            return
        start = chunk.end


def _failed(place: Path, what: str, fault: OSError, kept: int = 0) -> CaptureFailed:
    cure = "free space there" if fault.errno in NO_ROOM else "look at its folder and its disk"
    return CaptureFailed(f"{place}: could not be {what}: {fault.strerror}; {cure}", kept)


def _take(line: bytes, chunk: Chunk) -> None:
    crc, _, body = line.rstrip(b"\n").partition(b" ")
    if crc != b"%08x" % zlib.crc32(body):
        chunk.torn.append(Torn(line.decode("utf-8", "replace"), "the line's checksum is wrong"))
        return
    try:
        chunk.entries.append(_decode(body))
    except (msgspec.MsgspecError, ValueError, RecursionError) as fault:
        chunk.torn.append(Torn(line.decode("utf-8", "replace"), f"the line is no journal entry: {fault}"))


def _is_closed(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)
