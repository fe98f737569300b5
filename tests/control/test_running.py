import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from control import guard
from control.running import Running, bring_down, running, told
from keepfit.settings import ROOT, Settings
from tests.control.little import server, stack_of, until


@contextmanager
def up(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A stack in a process of its own, as `bin/keepfit up` is."""
    command = [sys.executable, "-m", "tests.control.little", str(home)]
    with subprocess.Popen(command, cwd=ROOT, start_new_session=True) as process:
        try:
            until(lambda: process.poll() is None and ready(home))
            yield process
        finally:
            process.kill()


def ready(home: Path) -> bool:
    found = running(Settings(home=home))
    return found is not None and found.ready


def seen(home: Path) -> Running:
    found = told(Settings(home=home))
    assert found is not None
    return found


def test_a_home_on_which_nothing_ran_has_nothing_to_bring_down(tmp_path: Path) -> None:
    assert running(Settings(home=tmp_path)) is None
    assert not bring_down(Settings(home=tmp_path))


def test_another_process_sees_what_is_up_and_where(tmp_path: Path) -> None:
    with up(tmp_path) as process:
        found = running(Settings(home=tmp_path))
        assert found is not None
        assert (found.pid, found.name, found.addresses[0].name) == (process.pid, "flights", "web")


def test_another_process_can_bring_it_down(tmp_path: Path) -> None:
    with up(tmp_path) as process:
        stack = seen(tmp_path).stack
        assert len(guard.carriers(stack)) == 2
        assert bring_down(Settings(home=tmp_path))
        process.wait(timeout=30)
        assert guard.carriers(stack) == []
        assert running(Settings(home=tmp_path)) is None


def test_a_stack_that_is_killed_leaves_no_process(tmp_path: Path) -> None:
    with up(tmp_path) as process:
        stack = seen(tmp_path).stack
        assert len(guard.carriers(stack)) == 2
        process.kill()
        process.wait()
        until(lambda: guard.carriers(stack) == [])
        assert running(Settings(home=tmp_path)) is None


def test_what_a_killed_stack_left_is_no_obstacle_to_the_next(tmp_path: Path) -> None:
    with up(tmp_path) as process:
        left = seen(tmp_path)
        process.kill()
        process.wait()
    port = int(left.addresses[0].url.rpartition(":")[2])
    with stack_of(tmp_path, server(port=port)):
        assert guard.carriers(left.stack) == []


def test_a_file_that_is_not_ours_counts_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text('{"pid": 1}')
    assert running(Settings(home=tmp_path)) is None
    assert not bring_down(Settings(home=tmp_path))
