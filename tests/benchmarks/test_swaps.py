"""What the swapping benchmark would say of a server that breaks its promises."""

from itertools import accumulate

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.paced import MIXED, SEEN, STEP, WRONG_ROW, held
from benchmarks.swapping import Run, not_live

steps = st.integers(1, 5)


@given(
    st.lists(st.tuples(steps, steps), max_size=6),
    st.lists(st.tuples(st.integers(1, 60), st.integers(0, 20), st.integers(1, 2)), max_size=20),
)
def test_an_answer_by_a_version_that_was_live_at_no_moment_of_its_request_is_counted(
    swaps: list[tuple[int, int]], answers: list[tuple[int, int, int]]
) -> None:
    # Each swap: how long after the last one was confirmed the pointer moves, and until all confirm it.
    times = list(accumulate((float(step) for swap in swaps for step in swap), initial=0.0))
    moved, confirmed = [0.0, *times[1::2]], [0.0, *times[2::2]]
    versions = [1 + i % 2 for i in range(len(moved))]
    # Halves, so that nothing happens at the same moment.
    came = np.array(
        [(s - 0.5, s - 0.5, s - 0.5 + took, 200, version, 1, 0) for s, took, version in answers], SEEN
    )
    until = [*confirmed[1:], float("inf")]

    def was_live(sent: float, done: float, version: int) -> bool:
        spans = zip(moved, until, versions, strict=True)
        return any(v == version and begin <= done and sent < end for begin, end, v in spans)

    dead = [a for a in came if not was_live(a["sent"], a["done"], a["version"])]
    assert not_live(Run(versions, moved, confirmed), came)[0] == len(dead)


def test_an_answer_whose_rows_tell_two_versions_is_seen() -> None:
    body = b'{"version":2,"predictions":[{"output":%f},{"output":%f}]}'
    assert held(body % (2 * STEP + 7.5, 2 * STEP + 9.5), [7, 9]) == (2, 0)
    assert held(body % (2 * STEP + 7.5, 1 * STEP + 9.5), [7, 9]) == (2, MIXED)
    # Its rows agree with each other, and not with its `version`.
    assert held(body % (1 * STEP + 7.5, 1 * STEP + 9.5), [7, 9]) == (2, MIXED)


def test_rows_that_got_each_others_answers_are_seen() -> None:
    body = b'{"version":1,"predictions":[{"output":%f},{"output":%f}]}'
    assert held(body % (STEP + 9.5, STEP + 7.5), [7, 9]) == (1, WRONG_ROW)
    assert held(b'{"version":1,"predictions":[]}', [7]) == (1, WRONG_ROW)
