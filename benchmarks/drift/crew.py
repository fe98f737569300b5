"""Work in parallel: two processes, each with NannyML beside it, that the same seeds make the same."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from multiprocessing import get_context
from multiprocessing.util import Finalize
from typing import Any, TypeVar

from benchmarks.drift.rivals import NannyML
from benchmarks.figures import cores

Job = tuple[Any, ...]
T = TypeVar("T")


def work(do: Callable[..., T], jobs: Iterable[Job]) -> Iterator[tuple[Job, T]]:
    """Do all jobs; give each with its result when it is done."""
    os.environ["OMP_NUM_THREADS"] = "1"  # a core each
    NannyML().end()  # installed once, before two ask for it
    with ProcessPoolExecutor(min(2, len(cores())), mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(do, *job): job for job in jobs}
        try:
            for done in as_completed(waiting):
                yield waiting[done], done.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


@cache
def nannyml() -> NannyML:
    """Give this process's NannyML, which ends with it."""
    made = NannyML()
    Finalize(made, made.end, exitpriority=10)
    return made
