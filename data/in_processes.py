"""Work on numbered cases, spread over processes that are each made ready once."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

Result = TypeVar("Result")


def in_processes(
    make_work: Callable[[], Callable[[int], Result]],
    numbers: Sequence[int],
    *,
    workers: int,
    worth: int,
    finished: Callable[[Result], None],
) -> None:
    """Do some work for each number, in no particular order.

    Args:
        make_work: Called once in each process; can be pickled. Makes what does the work for a number.
        numbers: Of the cases.
        workers: Processes, at most; one works here.
        worth: Cases that are worth the seconds which another process takes to start.
        finished: Given each result, in the calling process. Where it raises, or the work does, cases that have not been
            begun are left out.
    """
    workers = max(1, min(workers, len(numbers) // worth))
    if not numbers:
        return
    if workers == 1:
        work = make_work()
        for number in numbers:
            finished(work(number))
        return
    # Started anew and not forked: XLA's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    pool = concurrent.futures.ProcessPoolExecutor(workers, context, initializer=_prepare, initargs=(make_work,))
    try:
        for future in concurrent.futures.as_completed([pool.submit(_do, number) for number in numbers]):
            finished(future.result())
    finally:
        pool.shutdown(cancel_futures=True)


_work: Callable[[int], Any] | None = None
"""Of a worker process."""


def _prepare(make_work: Callable[[], Callable[[int], Any]]) -> None:
    global _work
    _work = make_work()


def _do(number: int) -> Any:
    assert _work is not None
    return _work(number)
