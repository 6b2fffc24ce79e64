"""Retries: every attempt, every wait and every error is that of the rule, whatever fails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.aws.backoff import Backoff
from penstock.aws.retry import attempts, resuming, retrying

# Of random waits always the longest.
LONGEST = Backoff(attempts=5, base=1.0, cap=6.0, draw=lambda: 1.0)


class TemporaryError(Exception):
    """Retried."""


class OtherTemporaryError(Exception):
    """Retried as well."""


class LastingError(Exception):
    """Not retried."""


@dataclass
class Service:
    """Raises one error after the other, then succeeds."""

    errors: list[Exception]
    calls: int = 0
    waits: list[float] = field(default_factory=list)

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def temporary(count: int) -> list[Exception]:
    return [TemporaryError(number) for number in range(1, count + 1)]


def call(service: Service, backoff: Backoff = LONGEST) -> str:
    return retrying(service, on=TemporaryError, backoff=backoff, sleep=service.waits.append)


def test_a_success_is_returned_without_a_wait() -> None:
    service = Service([])
    assert (call(service), service.calls, service.waits) == ("done", 1, [])


def test_a_call_is_repeated_until_it_succeeds_after_waits_that_grow() -> None:
    service = Service(temporary(4))
    assert (call(service), service.calls, service.waits) == ("done", 5, [1.0, 2.0, 4.0, 6.0])


def test_the_last_error_is_raised_as_it_is_and_without_a_wait_after_it() -> None:
    service = Service(temporary(9))
    last = service.errors[4]
    with pytest.raises(TemporaryError) as raised:
        call(service)
    assert raised.value is last
    assert (raised.value.__cause__, raised.value.__context__) == (None, None)
    assert (service.calls, service.waits) == (5, [1.0, 2.0, 4.0, 6.0])


def test_another_error_is_raised_at_once() -> None:
    service = Service([TemporaryError(), LastingError("stays"), TemporaryError()])
    with pytest.raises(LastingError, match="stays"):
        call(service)
    assert (service.calls, service.waits) == (2, [1.0])


def test_several_classes_may_be_retried() -> None:
    service = Service([TemporaryError(), OtherTemporaryError()])
    classes = (TemporaryError, OtherTemporaryError)
    assert retrying(service, on=classes, backoff=LONGEST, sleep=service.waits.append) == "done"
    assert service.calls == 3


def test_an_error_that_the_predicate_refuses_is_raised_at_once() -> None:
    service = Service([TemporaryError("again"), TemporaryError("again"), TemporaryError("no")])
    with pytest.raises(TemporaryError, match="no"):
        retrying(
            service,
            on=TemporaryError,
            when=lambda error: error.args == ("again",),
            backoff=LONGEST,
            sleep=service.waits.append,
        )
    assert (service.calls, service.waits) == (3, [1.0, 2.0])


def test_one_attempt_is_no_retry() -> None:
    service = Service(temporary(1))
    with pytest.raises(TemporaryError):
        call(service, Backoff(attempts=1))
    assert (service.calls, service.waits) == (1, [])


@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_process_is_never_retried(ending: type[BaseException]) -> None:
    calls: list[float] = []

    def work() -> None:
        calls.append(1)
        raise ending

    with pytest.raises(ending):
        retrying(work, on=Exception, backoff=LONGEST, sleep=calls.append)
    assert calls == [1]


policies = st.builds(
    Backoff,
    attempts=st.integers(1, 8),
    base=st.floats(0, 10),
    cap=st.floats(0, 60),
    draw=st.floats(0, 1).map(lambda drawn: lambda: drawn),
)


@given(backoff=policies, errors=st.lists(st.sampled_from([TemporaryError, LastingError]), max_size=10))
def test_attempts_and_waits_are_those_of_the_rule(backoff: Backoff, errors: list[type[Exception]]) -> None:
    service = Service([error() for error in errors])
    retried = next((at for at, error in enumerate(errors) if error is LastingError), len(errors))
    calls = min(retried + 1, backoff.attempts)
    if len(errors) < calls:
        assert call(service, backoff) == "done"
    else:
        with pytest.raises(errors[calls - 1]):
            call(service, backoff)
    assert service.calls == calls
    assert service.waits == [backoff.delay(failures) for failures in range(1, calls)]


@dataclass
class Stream:
    """The numbers below ``size``. The connections break at these numbers, one after the other, before they bring it."""

    size: int
    breaks: list[int]
    at: int = 0
    connections: int = 0
    waits: list[float] = field(default_factory=list)

    def rest(self) -> Iterator[int]:
        self.connections += 1
        while self.at < self.size:
            if self.breaks and self.breaks[0] == self.at:
                raise TemporaryError(self.breaks.pop(0))
            self.at += 1
            yield self.at - 1

    def items(self, backoff: Backoff = LONGEST) -> Iterator[int]:
        return resuming(self.rest, on=TemporaryError, backoff=backoff, sleep=self.waits.append)


def test_a_stream_resumes_where_it_broke_off() -> None:
    stream = Stream(6, [2, 5])
    assert list(stream.items()) == [0, 1, 2, 3, 4, 5]
    assert (stream.connections, stream.waits) == (3, [1.0, 1.0])


def test_waits_grow_only_while_nothing_arrives() -> None:
    stream = Stream(6, [2, 2, 2, 5, 5])
    assert list(stream.items()) == [0, 1, 2, 3, 4, 5]
    assert stream.waits == [1.0, 2.0, 4.0, 1.0, 2.0]


def test_an_empty_stream_has_no_items() -> None:
    stream = Stream(0, [])
    assert (list(stream.items()), stream.connections) == ([], 1)


def test_items_come_as_they_are_asked_for() -> None:
    stream = Stream(10**9, [3])
    assert list(islice(stream.items(), 5)) == [0, 1, 2, 3, 4]
    assert stream.at == 5


def test_a_stream_that_is_closed_is_not_opened_again() -> None:
    stream = Stream(6, [])
    items = resuming(stream.rest, on=Exception, backoff=LONGEST, sleep=stream.waits.append)
    assert next(items) == 0
    items.close()
    assert (list(items), stream.connections, stream.waits) == ([], 1, [])


def test_a_stream_may_fail_before_its_first_item_or_after_its_last() -> None:
    failures = [TemporaryError("not opened"), None, TemporaryError("not closed"), None]

    def rest() -> Sequence[int]:
        if failure := failures.pop(0):
            raise failure
        return range(2)

    waits: list[float] = []
    assert list(resuming(rest, on=TemporaryError, backoff=LONGEST, sleep=waits.append)) == [0, 1]
    assert (len(failures), waits) == (2, [1.0])


def expected(size: int, breaks: list[int], limit: int) -> tuple[list[int], list[int], bool]:
    """The items, the failures in a row before each wait, and whether the stream is whole."""
    items: list[int] = []
    waits: list[int] = []
    rest = list(breaks)
    for number in range(size):
        failures = 0
        while rest and rest[0] == number:
            rest.pop(0)
            failures += 1
            if failures == limit:
                return items, waits, False
            waits.append(failures)
        items.append(number)
    return items, waits, True


def receive(items: Iterator[int], found: list[int]) -> bool:
    """Whether all items have come; ``found`` gets those that did."""
    try:
        for item in items:
            found.append(item)  # noqa: PERF402  # keeps what came before an error
    except TemporaryError:
        return False
    return True


@given(backoff=policies, size=st.integers(0, 12), breaks=st.lists(st.integers(0, 11), max_size=24).map(sorted))
def test_every_item_arrives_once_and_in_order_or_the_stream_is_given_up(
    backoff: Backoff, size: int, breaks: list[int]
) -> None:
    items, waits, whole = expected(size, breaks, backoff.attempts)
    stream = Stream(size, list(breaks))
    found: list[int] = []
    assert receive(stream.items(backoff), found) == whole
    assert found == items
    assert stream.waits == [backoff.delay(failures) for failures in waits]


def test_each_attempt_but_one_that_leaves_nothing_is_followed_by_a_wait() -> None:
    waits: list[float] = []
    numbers = []
    for number in attempts(LONGEST, waits.append):
        numbers.append(number)
        if number == 3:
            break
    assert (numbers, waits) == ([1, 2, 3], [1.0, 2.0])


@given(backoff=policies)
def test_there_are_as_many_attempts_and_waits_as_the_policy_says(backoff: Backoff) -> None:
    waits: list[float] = []
    assert list(attempts(backoff, waits.append)) == list(range(1, backoff.attempts + 1))
    assert waits == [backoff.delay(number) for number in range(1, backoff.attempts + 1)]


def test_no_other_module_waits_by_a_backoff() -> None:
    root = Path(__file__).parents[2]
    found = {
        path.name
        for folder in ("layers/penstock/penstock", "cli", "local", "functions")
        for path in (root / folder).rglob("*.py")
        if ".delay(" in path.read_text()
    }
    # A batch of items shrinks from request to request, and must end at once when its job has ended.
    # A commit looks for its earlier attempt, and is made again from the newest metadata of its table.
    assert found == {"retry.py", "batches.py", "committer.py"}
