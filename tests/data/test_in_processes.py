"""Work spread over processes comes to the same as work done here."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable

import pytest

from data.in_processes import in_processes


def times(factor: int) -> Callable[[int], int]:
    return functools.partial(operator.mul, factor)


@pytest.mark.parametrize("workers", [1, 2])
def test_each_case_is_done_once(workers: int) -> None:
    results: list[int] = []
    in_processes(functools.partial(times, 3), range(5), workers=workers, worth=2, finished=results.append)
    assert sorted(results) == [0, 3, 6, 9, 12]


def test_nothing_is_made_ready_for_no_cases() -> None:
    def unwanted() -> Callable[[int], int]:
        raise AssertionError

    in_processes(unwanted, [], workers=2, worth=1, finished=lambda result: None)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_the_work_raises_comes_out(workers: int) -> None:
    with pytest.raises(ZeroDivisionError):
        in_processes(
            functools.partial(functools.partial, operator.floordiv, 6),
            [1, 0, 2, 3],
            workers=workers,
            worth=2,
            finished=lambda result: None,
        )
