import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import urlopen

import pytest

from control import guard
from control.services import answers
from control.stack import Stack
from keepfit.errors import PortTaken, StackAlreadyUp, StackError
from tests.control.little import script, server, stack_of, until


@contextmanager
def supervised(stack: Stack) -> Iterator[None]:
    with stack:
        thread = threading.Thread(target=stack.supervise)
        thread.start()
        try:
            yield
        finally:
            stack.stop()
            thread.join()


def carriers(stack: Stack, service: str | None = None) -> list[guard.Carrier]:
    return guard.carriers(stack._id, service)


def kill(stack: Stack, service: str) -> None:
    root = next(carrier for carrier in carriers(stack, service) if carrier.root)
    root.process.kill()


def alive(stack: Stack) -> list[bool]:
    return [answers(each.url)(datetime.now(UTC)) for each in stack.addresses()]


def test_every_part_answers_once_the_stack_has_started(tmp_path: Path) -> None:
    with stack_of(tmp_path, server("one"), server("two")) as stack:
        assert alive(stack) == [True, True]


def test_a_part_starts_when_those_that_it_needs_are_up(tmp_path: Path) -> None:
    said: list[str] = []
    with stack_of(tmp_path, server("last", after=("first",)), server("first"), say=said.append):
        assert [line.split()[0] for line in said] == ["first", "last"]


def test_a_part_is_told_where_everything_is_and_to_report_to_nobody(tmp_path: Path) -> None:
    with stack_of(tmp_path, server()) as stack:
        where = stack.addresses()[0].url
        told = {
            name: urlopen(f"{where}/{name}").read().decode()
            for name in ("KEEPFIT_HOME", "KEEPFIT_PROJECT_NAME", "DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY")
        }
    assert told == {
        "KEEPFIT_HOME": str(tmp_path),
        "KEEPFIT_PROJECT_NAME": "flights",
        "DO_NOT_TRACK": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


def test_a_part_is_out_of_reach_of_the_terminals_ctrl_c(tmp_path: Path) -> None:
    with stack_of(tmp_path, server()) as stack:
        assert all(os.getsid(carrier.process.pid) != os.getsid(0) for carrier in carriers(stack))


def test_a_taken_port_is_refused_by_its_number_its_part_its_holder_and_its_variable(tmp_path: Path) -> None:
    with stack_of(tmp_path / "one", server("one")) as stack:
        port = stack._children[0].service.port
        assert port is not None
        holder = carriers(stack)[0].process.pid
        with pytest.raises(PortTaken) as refused:
            stack_of(tmp_path / "two", server("two", port=port.number)).start()
    for part in (str(port.number), "needed by two", f"pid {holder}", "KEEPFIT_TWO_PORT"):
        assert part in str(refused.value)


def test_a_second_stack_on_the_same_home_is_refused(tmp_path: Path) -> None:
    with stack_of(tmp_path, server()) as first:
        with pytest.raises(StackAlreadyUp, match="bin/keepfit down"):
            stack_of(tmp_path, server()).start()
        assert alive(first) == [True]


def test_a_home_is_free_again_after_a_stop(tmp_path: Path) -> None:
    stack_of(tmp_path, server()).__enter__().stop()
    with stack_of(tmp_path, server()) as stack:
        assert alive(stack) == [True]


def test_a_part_that_ends_too_early_is_named_with_its_log_and_its_last_lines(tmp_path: Path) -> None:
    broken = script("broken", "raise SystemExit('no such database')")
    stack = stack_of(tmp_path, server(), broken)
    with pytest.raises(StackError) as refused:
        stack.start()
    for part in ("broken ended with 1", str(tmp_path / "logs" / "broken.log"), "no such database"):
        assert part in str(refused.value)
    assert carriers(stack) == []


def test_a_part_that_never_answers_is_named_and_ended(tmp_path: Path) -> None:
    stack = stack_of(tmp_path, script("mute", "import time; print('thinking', flush=True); time.sleep(600)"))
    stack.start_s = 1.0
    with pytest.raises(StackError, match=r"mute did not come up(.|\n)*thinking"):
        stack.start()
    assert carriers(stack) == []


def test_what_is_done_once_has_to_end_well(tmp_path: Path) -> None:
    with stack_of(tmp_path, script("fine", "pass", once=True)):
        pass
    with pytest.raises(StackError, match="failing ended with 3"):
        stack_of(tmp_path, script("failing", "raise SystemExit(3)", once=True)).start()


def test_a_part_that_dies_is_started_again_and_counted(tmp_path: Path) -> None:
    said: list[str] = []
    stack = stack_of(tmp_path, server("one"), server("two"), say=said.append)
    with supervised(stack):
        kill(stack, "one")
        until(lambda: stack.restarts == {"one": 1, "two": 0} and all(alive(stack)))
    assert any(line.startswith("one ended with -9; starting it again") for line in said)


def test_a_part_that_keeps_dying_is_started_ever_later(tmp_path: Path) -> None:
    said: list[str] = []
    stack = stack_of(tmp_path, server(), say=said.append)
    with supervised(stack):
        for times in (1, 2, 3):
            kill(stack, "web")
            until(lambda times=times: stack.restarts == {"web": times} and all(alive(stack)))
    pauses = [line.partition("starting it again")[2].partition(";")[0] for line in said if "again" in line]
    assert pauses == ["", " in 1 s", " in 2 s"]


def test_what_a_dead_part_left_behind_ends_before_the_part_starts_again(tmp_path: Path) -> None:
    stack = stack_of(tmp_path, server("web", "parent"))
    with supervised(stack):
        before = {carrier.process.pid for carrier in carriers(stack)}
        assert len(before) == 2
        kill(stack, "web")
        until(lambda: stack.restarts == {"web": 1} and all(alive(stack)))
        assert before.isdisjoint(carrier.process.pid for carrier in carriers(stack))


def test_a_stop_lets_each_part_end_in_order(tmp_path: Path) -> None:
    with stack_of(tmp_path, server()):
        pass
    assert "ended in order" in (tmp_path / "logs" / "web.log").read_text()


def test_a_stop_leaves_neither_a_deaf_part_nor_the_children_of_one(tmp_path: Path) -> None:
    stack = stack_of(tmp_path, server("web", "parent", "deaf"), server("other"))
    stack.grace_s = 0.5
    with stack:
        assert len(carriers(stack)) == 3
    assert carriers(stack) == []
    assert not (tmp_path / "stack.json").exists()


def test_a_deaf_part_does_not_keep_another_from_ending_in_order(tmp_path: Path) -> None:
    stack = stack_of(tmp_path, server("base"), server("deaf", "deaf", after=("base",)))
    stack.grace_s = 0.5
    with stack:
        pass
    assert "ended in order" in (tmp_path / "logs" / "base.log").read_text()


def test_a_killed_guard_is_replaced(tmp_path: Path) -> None:
    stack = stack_of(tmp_path, server())
    with supervised(stack):
        first = stack._guard
        assert first is not None
        first.send_signal(signal.SIGKILL)
        until(lambda: stack._guard is not first)
    assert carriers(stack) == []


def test_a_stop_needs_no_guard(tmp_path: Path) -> None:
    stack = stack_of(tmp_path, server())
    with stack:
        assert stack._guard is not None
        stack._guard.send_signal(signal.SIGKILL)
    assert carriers(stack) == []


def test_the_log_of_the_time_before_is_kept_beside_the_new_one(tmp_path: Path) -> None:
    for _ in range(2):
        with stack_of(tmp_path, server()):
            pass
    assert "ended in order" in (tmp_path / "logs" / "web.log.1").read_text()
