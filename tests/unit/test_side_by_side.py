"""Small members of an archive are delivered side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from threading import Barrier, Event

import pytest

from penstock.errors import DiskFullError
from penstock.wiring.archive_result import MemberResult
from penstock.wiring.side_by_side import THREADS, WAITING, SideBySide


def all_of(calls: list[Callable[[], MemberResult]]) -> Iterator[MemberResult]:
    with SideBySide() as members:
        for call in calls:
            yield from members.begin(call)
        yield from members.rest()


def test_results_come_in_the_order_of_the_calls() -> None:
    last = Event()

    def first() -> MemberResult:
        assert last.wait(10)
        return MemberResult("first", 1)

    def second() -> MemberResult:
        last.set()
        return MemberResult("second", 2)

    assert [each.name for each in all_of([first, second])] == ["first", "second"]


def test_calls_run_at_once() -> None:
    together = Barrier(THREADS, timeout=10)

    def call(number: int) -> MemberResult:
        together.wait()
        return MemberResult("", number)

    calls: list[Callable[[], MemberResult]] = [partial(call, number) for number in range(2 * THREADS)]
    assert [each.number for each in all_of(calls)] == [*range(2 * THREADS)]


def test_few_results_wait() -> None:
    begun = 0
    with SideBySide() as members:
        for number in range(100):
            begun += 1
            for result in members.begin(partial(MemberResult, "", number)):
                assert begun - result.number <= WAITING
        assert [each.number for each in members.rest()] == [*range(101 - WAITING, 100)]


def test_an_error_ends_all_and_begins_no_other_call() -> None:
    begun: list[int] = []
    failing = Event()

    def call(number: int) -> MemberResult:
        begun.append(number)
        if number == 0:
            failing.set()
            raise DiskFullError("full")
        assert failing.wait(10)
        return MemberResult("", number)

    calls: list[Callable[[], MemberResult]] = [partial(call, number) for number in range(1000)]
    with pytest.raises(DiskFullError):
        list(all_of(calls))
    assert len(begun) <= WAITING
