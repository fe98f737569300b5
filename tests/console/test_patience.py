import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from pathlib import Path
from threading import Event

import httpx
import pytest

from keepfit.errors import ServiceUnavailable
from monitoring.console.reading import patience
from monitoring.console.reading.flowruns import FlowRuns
from monitoring.console.reading.patience import Awaited
from tests.console.opening import console_on
from tests.console.years import Year


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


class Slow:
    """Answers 1, 2, 3 ..., each when it may."""

    def __init__(self) -> None:
        self.may = Event()
        self.asked = count(1)

    def __call__(self) -> int:
        number = next(self.asked)
        self.may.wait(10)
        return number


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch, threads: ThreadPoolExecutor) -> Iterator[Slow]:
    for name in ("FIRST_S", "AGAIN_S"):
        monkeypatch.setattr(patience, name, 0.01)
    assert threads  # they end after what they wait for may
    slow = Slow()
    yield slow
    slow.may.set()


def test_each_time_it_is_asked_anew(threads: ThreadPoolExecutor) -> None:
    awaited = Awaited("it", iter([1, 2]).__next__, threads)
    assert [awaited.answer(), awaited.answer()] == [1, 2]


def test_without_any_answer_in_time_it_says_so(slow: Slow, threads: ThreadPoolExecutor) -> None:
    with pytest.raises(ServiceUnavailable, match="it gave no answer in time"):
        Awaited("it", slow, threads).answer()


def test_while_the_next_answer_is_on_its_way_the_last_one_stands(
    slow: Slow, threads: ThreadPoolExecutor
) -> None:
    awaited = Awaited("it", slow, threads)
    slow.may.set()
    assert awaited.answer() == 1
    slow.may.clear()
    # The second question is asked once, however many look meanwhile.
    assert [awaited.answer() for _ in range(3)] == [1, 1, 1]
    assert next(slow.asked) == 3


def test_an_answer_that_is_not_young_stands_for_no_other(
    slow: Slow, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    awaited = Awaited("it", slow, threads)
    slow.may.set()
    assert awaited.answer() == 1
    slow.may.clear()
    monkeypatch.setattr(patience, "YOUNG_S", 0.0)
    with pytest.raises(ServiceUnavailable):
        awaited.answer()


def test_a_refusal_is_told_again_to_who_comes_while_it_is_tried_anew(
    slow: Slow, threads: ThreadPoolExecutor
) -> None:
    def refused() -> int:
        if slow() == 1:
            raise ServiceUnavailable("nobody is there")
        return 2

    awaited = Awaited("it", refused, threads)
    slow.may.set()
    with pytest.raises(ServiceUnavailable, match="nobody is there"):
        awaited.answer()
    slow.may.clear()
    with pytest.raises(ServiceUnavailable, match="nobody is there"):
        awaited.answer()


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes every connection and answers nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def test_a_prefect_that_hangs_is_given_a_rest(silent: int) -> None:
    with httpx.Client(timeout=0.05, trust_env=False) as client:
        asked = FlowRuns(f"http://127.0.0.1:{silent}", "made", client)
        for said in ("does not answer in time at", "not asked again for"):
            with pytest.raises(ServiceUnavailable, match=said):
                asked.deployments()


@pytest.mark.parametrize("path", ["/", "/runs"])
def test_while_prefect_hangs_a_page_is_there_and_says_so(tmp_path: Path, silent: int, path: str) -> None:
    settings = replace(Year(tmp_path, steps=1).live().settings, prefect_port=silent)
    with console_on(settings) as url:
        answer = httpx.get(f"{url}{path}", trust_env=False, timeout=30)
    assert answer.status_code == 200
    assert "Prefect" in answer.text
    assert "in time" in answer.text
