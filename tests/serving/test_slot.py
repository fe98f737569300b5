import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.contract import Row
from serving.predictor import Predictor
from serving.slot import LiveModel, ModelSlot
from serving.typed import cells_of
from tests.builders import ROW, opened, told_version


def told_by(live: LiveModel, rows: int) -> set[int]:
    """The versions that a request's answers tell of."""
    taken = live.rows.take([Row(ROW)] * rows)
    outputs = live.predictor.predict_cells([cells_of(row) for row in taken])
    return {told_version(value) for value in outputs[:, 0].tolist()}


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Predictor]:
    folder: Path = tmp_path_factory.mktemp("bundles")
    return {version: Predictor(opened(folder, version=version, kind="regression")) for version in (1, 2, 3)}


def test_an_empty_slot_has_no_live_model() -> None:
    assert ModelSlot().live is None


def test_a_generation_only_rises(versions: dict[int, Predictor]) -> None:
    slot = ModelSlot()
    generations = [slot.swap(versions[version]).generation for version in (1, 2, 1)]
    slot.clear()
    assert [*generations, slot.generation, slot.live] == [1, 2, 3, 4, None]


def test_clearing_an_empty_slot_is_no_swap() -> None:
    slot = ModelSlot()
    slot.clear()
    assert slot.generation == 0


@given(swaps=st.lists(st.sampled_from([1, 2, 3]), max_size=6), rows=st.integers(1, 20))
def test_a_request_keeps_the_model_it_started_with(
    versions: dict[int, Predictor], swaps: list[int], rows: int
) -> None:
    slot = ModelSlot()
    begun_with = slot.swap(versions[1])
    for version in swaps:
        slot.swap(versions[version])
    assert (begun_with.version, told_by(begun_with, rows)) == (1, {1})


def test_requests_that_run_while_models_are_swapped_never_mix_two(versions: dict[int, Predictor]) -> None:
    slot = ModelSlot()
    slot.swap(versions[1])
    done = threading.Event()

    def swap_all_the_time() -> None:
        while not done.is_set():
            for version in versions.values():
                slot.swap(version)

    swapping = threading.Thread(target=swap_all_the_time)
    swapping.start()
    mixed: list[object] = []
    seen: set[int] = set()
    for _ in range(500):
        live = slot.live
        assert live is not None
        told = told_by(live, 5)
        seen |= told
        mixed += [told] if told != {live.version} else []
    done.set()
    swapping.join()
    assert not mixed
    assert len(seen) > 1
