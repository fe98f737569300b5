"""The landing folder, where others drop files: each is opened, read and moved as what it is, not by a path.

Whoever drops files may at any time put another in a file's place, a link in a folder's, or give a name that
is a path elsewhere. So the folder is opened once, and all else happens within what is open.
"""

import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from data.files import OpenFile, open_file, shown_name
from data.records import new_id
from keepfit.errors import StateError

_TAKEN, _REFUSED, _REASON = "taken", "refused", ".reason.txt"
_LONGEST_NAME = 255 - len(f"{new_id()}-{_REASON}")
"""In bytes: what is left to a name beside the id and the ending that we give it."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True)
class LandingFolder:
    """The files of a landing folder, and where they go: `taken/` and `refused/` below it.

    What the folder does not let us do is a StateError, and a file that another run was faster to take is a
    FileNotFoundError.
    """

    path: Path
    most: int
    """How much one file may hold."""
    _folder: int

    def names(self) -> list[str]:
        """Name what lies there, in order; but no folders, nor what is hidden or called `.part`."""
        with self._allowed(), os.scandir(self._folder) as entries:
            found = [entry.name for entry in entries if not entry.is_dir(follow_symlinks=False)]
        return sorted(name for name in found if not name.startswith(".") and not name.endswith(".part"))

    @contextmanager
    def open(self, name: str) -> Generator[OpenFile]:
        """Open a file for once and all; raise FileUnreadable where it is a link, or no regular file."""
        with open_file(Path(name), self.most, within=self._folder) as file:
            yield file

    def take(self, name: str, file: OpenFile) -> None:
        """Move what was read to `taken/`; what has come in its place meanwhile stays for the next run."""
        with self._allowed(), self._own_folder(_TAKEN) as taken:
            moved = self._move(name, taken)
            if not os.path.samestat(os.stat(moved, dir_fd=taken, follow_symlinks=False), file.found):
                # With its id: by now a third file may have the name.
                os.rename(moved, moved, src_dir_fd=taken, dst_dir_fd=self._folder)

    def refuse(self, name: str, reason: str) -> str:
        """Move a file to `refused/`, its reason beside it; say where it is, seen from the landing folder."""
        with self._allowed(), self._own_folder(_REFUSED) as refused:
            moved = self._move(name, refused)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            beside = os.open(str(Path(moved).with_suffix(_REASON)), flags, 0o666, dir_fd=refused)
            with os.fdopen(beside, "w", encoding="utf-8") as file:
                file.write(reason + "\n")
        return f"{_REFUSED}/{moved}"

    def _move(self, name: str, folder: int) -> str:
        # Files of one name may come again and again: each keeps a name of its own.
        moved = f"{new_id()}-{_fitting(shown_name(name))}"
        os.rename(name, moved, src_dir_fd=self._folder, dst_dir_fd=folder)
        return moved

    @contextmanager
    def _own_folder(self, name: str) -> Generator[int]:
        """Open a folder of ours within it; what else has its name is put out of the way, and not followed."""
        try:
            descriptor = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=self._folder)
        except FileNotFoundError:
            descriptor = self._made(name)
        except NotADirectoryError:
            os.rename(name, f".{new_id()}-{name}", src_dir_fd=self._folder, dst_dir_fd=self._folder)
            descriptor = self._made(name)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _made(self, name: str) -> int:
        with suppress(FileExistsError):  # another run makes it too
            os.mkdir(name, dir_fd=self._folder)
        return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=self._folder)

    @contextmanager
    def _allowed(self) -> Generator[None]:
        with _allowed(self.path):
            yield


@contextmanager
def open_landing(path: Path, most: int) -> Generator[LandingFolder]:
    """Open a landing folder, making it where there is none."""
    with _allowed(path):
        path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, _FOLDER)
    try:
        yield LandingFolder(path, most, descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _allowed(path: Path) -> Generator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as fault:
        msg = f"{path}: {fault.strerror or fault}; let this user read, write and move files there"
        raise StateError(msg) from fault


def _fitting(name: str) -> str:
    """Cut a name so that it is none too long with what we add; its ending stays."""
    ending = Path(name).suffix
    room = _LONGEST_NAME - len(ending.encode())
    if room < 1:
        return name.encode()[:_LONGEST_NAME].decode(errors="ignore")
    return Path(name).stem.encode()[:room].decode(errors="ignore") + ending
