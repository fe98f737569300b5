"""Faults planted on purpose, a switch each: a chaos run that does not catch them proves nothing."""

import importlib.abc
import importlib.machinery
import importlib.util
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

Patch = Callable[[Any], None]


def plant(name: str) -> None:
    """Plant a bug into this process, when the module that it is in is imported."""
    module, patch = BUGS[name]
    sys.meta_path.insert(0, _Planter(module, patch))


class _Planter(importlib.abc.MetaPathFinder):
    def __init__(self, module: str, patch: Patch) -> None:
        self._module, self._patch = module, patch

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        del path, target
        if name != self._module:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.loader is not None
        load = spec.loader.exec_module

        def planted(module: ModuleType) -> None:
            load(module)
            self._patch(module)

        spec.loader.exec_module = planted  # pyright: ignore[reportAttributeAccessIssue]
        return spec


def _acknowledges_before_the_sync(capture: Any) -> None:
    async def labels(self: Any, entry: Any) -> None:
        self._journal.append(entry)

    capture.Capture.labels = labels


def _keeps_lines_in_memory(journal: Any) -> None:
    write = journal.Journal._write

    def later(self: Any, lines: bytes) -> None:
        held = getattr(self, "held", b"") + lines
        self.held = b""
        if len(held) < 20_000:
            self.held = held
        else:
            write(self, held)

    journal.Journal._write = later


def _moves_the_offset_first(store: Any) -> None:
    take_in = store.Store.take_in

    def in_two(self: Any, project: Any, batch: Any, move: Any = None, file: Any = None) -> Any:
        if move is not None:
            with self.transaction() as connection:
                store._move_offset(connection, project.name, move)
            store.reach("drain.moved")
        return take_in(self, project, batch, None, file)

    store.Store.take_in = in_two


def _deletes_before_it_commits(collect: Any) -> None:
    take_chunk = collect._take_chunk

    def early(loop: Any, chunk: Any, batch: Any) -> Any:
        if not chunk.finished:
            return take_chunk(loop, chunk, batch)
        chunk.path.unlink(missing_ok=True)
        collect.reach("drain.deleted")
        return collect._collected(loop.store.take_in(loop.project, batch))

    collect._take_chunk = early


def _takes_open_files_for_closed(journal: Any) -> None:
    journal._is_closed = lambda _path: True


def _asks_too_late_whether_a_file_is_closed(journal: Any) -> None:
    read_chunk, is_closed = journal.read_chunk, journal._is_closed

    def late(path: Any, start: int, *more: Any) -> Any:
        journal._is_closed = lambda _path: False
        try:
            chunk = read_chunk(path, start, *more)
        finally:
            journal._is_closed = is_closed
        time.sleep(0.1)
        return journal.replace(chunk, finished=is_closed(path))

    from dataclasses import replace

    journal.replace, journal.read_chunk = replace, late


def _points_before_the_bundle_is_whole(register: Any) -> None:
    publish = register.publish

    def behind(*given: Any) -> None:
        threading.Timer(0.5, publish, given).start()

    register.publish = behind


def _lets_the_pointer_go_back(releases: Any) -> None:
    read_pointer = releases.read_pointer
    move_pointer = releases.move_pointer

    def anyhow(folder: Any, pointer: Any) -> bool:
        releases.read_pointer = lambda _folder: None
        try:
            return move_pointer(folder, pointer)
        finally:
            releases.read_pointer = read_pointer

    releases.move_pointer = anyhow


def _appends_without_comparing(promotions: Any) -> None:
    append = promotions.Ledger.append

    def anyhow(self: Any, promotion: Any, expected: Any) -> Any:
        del expected
        return append(self, promotion, self.latest())

    promotions.Ledger.append = anyhow


def _names_the_newest_version(desk: Any) -> None:
    answer = desk.Desk.answer

    async def newest(self: Any, request: Any, live: Any, rows: Any) -> Any:
        made = await answer(self, request, live, rows)
        return desk.msgspec.structs.replace(made, version=self.worker.slot.live.version)

    desk.Desk.answer = newest


def _serves_what_is_not_signed(signatures: Any) -> None:
    signatures.Keys.check = lambda *_given: None


def _makes_new_ids_for_an_old_key(records: Any) -> None:
    records.ids_of = lambda _key, count: records.new_ids(count)


def _takes_a_failed_sync_for_a_sync(journal: Any) -> None:
    sync = journal.Journal.sync

    def anyhow(self: Any) -> None:
        try:
            sync(self)
        except journal.CaptureFailed:
            self.lost.discard(self.name)

    journal.Journal.sync = anyhow


def _says_captured_when_it_was_not(journal: Any) -> None:
    append_lines = journal.Journal.append_lines

    def anyhow(self: Any, lines: bytes) -> str:
        try:
            return append_lines(self, lines)
        except journal.CaptureFailed:
            return self.name

    journal.Journal.append_lines = anyhow


BUGS: dict[str, tuple[str, Patch]] = {
    "acknowledges-before-the-sync": ("serving.capture", _acknowledges_before_the_sync),
    "keeps-lines-in-memory": ("data.journal", _keeps_lines_in_memory),
    "moves-the-offset-first": ("data.store", _moves_the_offset_first),
    "deletes-before-it-commits": ("tasks.collect", _deletes_before_it_commits),
    "takes-open-files-for-closed": ("data.journal", _takes_open_files_for_closed),
    "asks-too-late-whether-a-file-is-closed": ("data.journal", _asks_too_late_whether_a_file_is_closed),
    "points-before-the-bundle-is-whole": ("tasks.register", _points_before_the_bundle_is_whole),
    "lets-the-pointer-go-back": ("data.releases", _lets_the_pointer_go_back),
    "appends-without-comparing": ("data.promotions", _appends_without_comparing),
    "names-the-newest-version": ("serving.desk", _names_the_newest_version),
    "serves-what-is-not-signed": ("data.signatures", _serves_what_is_not_signed),
    "makes-new-ids-for-an-old-key": ("data.records", _makes_new_ids_for_an_old_key),
    "takes-a-failed-sync-for-a-sync": ("data.journal", _takes_a_failed_sync_for_a_sync),
    "says-captured-when-it-was-not": ("data.journal", _says_captured_when_it_was_not),
}
"""Each by what it does wrong: the module that it is in, and how it is put there."""
