"""No item is lost, duplicated or out of order, however DynamoDB throttles. Retries end after a limited time."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain, repeat
from threading import Barrier, Lock
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.dynamodb_tables import Row, chunk_of, plan_of, position_at, rows_of
from functional.faulty_dynamodb import (
    THROTTLES,
    Fault,
    FaultyDynamo,
    Item,
    LeavesUnprocessed,
    LosesResponse,
    random_faults,
    refusal,
)
from lengths import examples
from penstock.aws.backoff import Backoff
from penstock.aws.dynamodb_client import EncodedPuts
from penstock.destinations.dynamodb.sink import DynamoRecordSink
from penstock.errors import AccessDeniedError, DestinationMissingError, PenstockError, ServiceUnavailableError
from penstock.limits import KIB, MIB
from penstock.model.load import Chunk, Loaded
from penstock.model.table import Mode, Table

TABLE = Table("records", mode=Mode.UPSERT)
# Random delays always have their maximum.
LONGEST = Backoff(attempts=5, base=0.1, cap=1.0, draw=lambda: 1.0)


class Loading:
    """A sink for a faulty table, and the times that it waited."""

    def __init__(
        self,
        dynamo: Any,
        *,
        workers: int = 3,
        budget: int = 1 * MIB,
        backoff: Backoff = LONGEST,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        self.waited: list[float] = []
        self.sink = DynamoRecordSink(
            dynamo, budget_bytes=budget, workers=workers, backoff=backoff, sleep=sleep or self.waited.append
        )

    def load(self, *rows: Row) -> Loaded:
        return self.load_chunk(chunk_of(rows_of(rows, TABLE)))

    def load_chunk(self, chunk: Chunk) -> Loaded:
        with self.sink as sink:
            sink.begin(plan_of(TABLE))
            return sink.load(chunk)


def numbered(count: int) -> list[Row]:
    return [{"id": f"{n:05}", "n": n} for n in range(count)]


def ids(items: Sequence[Item]) -> list[str]:
    return [item["id"]["S"] for item in items]


def first(*faults: Fault) -> Callable[[Sequence[Item]], Fault]:
    """These faults for the first requests, then none."""
    rest = chain(faults, repeat(None))
    return lambda items: next(rest)


@given(seed=st.integers(0, 2**32), share=st.sampled_from([0.2, 0.5, 0.8]), count=st.integers(1, 400))
@settings(max_examples=examples(40))
def test_nothing_is_lost_however_items_are_left_and_requests_fail(seed: int, share: float, count: int) -> None:
    dynamo = FaultyDynamo(random_faults(seed, share))
    loading = Loading(dynamo)
    try:
        loaded = loading.load(*numbered(count))
    except ServiceUnavailableError:
        # So many consecutive faults end a job; the written items are still correct.
        assert max(Counter(chain(*map(ids, dynamo.requests))).values()) >= LONGEST.attempts
    else:
        assert loaded == Loaded(count)
        assert len(dynamo.items) == count
    assert all(item["n"]["N"] == str(int(item["id"]["S"])) for item in dynamo.items.values())


rows = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.sampled_from([*"abcdefgh", "", None]),
            "n": st.one_of(st.integers(-3, 30), st.just(float("nan"))),
        }
    ),
    max_size=120,
)


@given(rows=rows, seed=st.integers(0, 2**32))
@settings(max_examples=examples(60))
def test_the_outcome_is_that_of_writing_row_by_row(rows: list[Row], seed: int) -> None:
    expected: dict[object, object] = {}
    bad = []
    for number, row in reversed(list(enumerate(rows))):
        if not row["id"] or row["n"] != row["n"]:
            bad.append(position_at(number))
        elif (row["id"],) not in expected:
            # Only DynamoDB knows that negative numbers are invalid. It never receives rows that a later row replaces.
            if int(str(row["n"])) >= 0:
                expected[(row["id"],)] = {"id": {"S": row["id"]}, "n": {"N": str(row["n"])}}
            else:
                bad.append(position_at(number))
    dynamo = FaultyDynamo(random_faults(seed, 0.1), refuses=lambda item: item["n"]["N"].startswith("-"))
    loaded = Loading(dynamo, backoff=replace(LONGEST, attempts=100)).load({"id": "first", "n": 0}, *rows)
    assert dynamo.items == {("first",): {"id": {"S": "first"}, "n": {"N": "0"}}} | expected
    assert [reject.position.row for reject in loaded.rejects] == [where.row + 1 for where in reversed(bad)]
    assert loaded.rows == 1 + len(rows) - len(bad)


def test_only_what_was_left_is_sent_again() -> None:
    dynamo = FaultyDynamo(first(LeavesUnprocessed({1, 4}), LeavesUnprocessed({0})))
    Loading(dynamo, workers=1).load(*numbered(6))
    # Rows are sent from the last to the first.
    assert list(map(ids, dynamo.requests)) == [
        ["00005", "00004", "00003", "00002", "00001", "00000"],
        ["00004", "00001"],
        ["00004"],
    ]


@pytest.mark.parametrize("key", [("id", "S"), ("id", "N")])
def test_unprocessed_items_are_matched_by_their_complete_key(key: tuple[str, str]) -> None:
    dynamo = FaultyDynamo(first(LeavesUnprocessed({1})), key=(key, ("at", "N")))
    same: list[Row] = [{"id": 1.50 if key[1] == "N" else "1.50", "at": at} for at in (1, 2.5, 3)]
    assert Loading(dynamo, workers=1).load(*same) == Loaded(3)
    assert [[item["at"]["N"] for item in request] for request in dynamo.requests] == [["3", "2.5", "1"], ["2.5"]]


@pytest.mark.parametrize(
    "fault",
    [*THROTTLES, LeavesUnprocessed(range(25)), LosesResponse()],
    ids=lambda fault: getattr(fault, "response", {}).get("Error"),
)
def test_waits_double_until_it_gives_up_after_rounds_without_progress(fault: Fault) -> None:
    dynamo = FaultyDynamo(lambda items: fault)
    loading = Loading(dynamo)
    with pytest.raises(ServiceUnavailableError, match="dynamodb:BatchWriteItem on table records"):
        loading.load(*numbered(25))
    assert len(dynamo.requests) == 5
    assert loading.waited == [0.1, 0.2, 0.4, 0.8]


def test_any_progress_resets_the_time_limit_of_retries() -> None:
    dynamo = FaultyDynamo(lambda items: LeavesUnprocessed(range(1, len(items))))
    loading = Loading(dynamo)
    assert loading.load(*numbered(25)) == Loaded(25)
    assert loading.waited == [0.1] * 24


def test_an_answer_that_was_lost_costs_a_repetition_not_a_row() -> None:
    dynamo = FaultyDynamo(first(LosesResponse()))
    assert Loading(dynamo).load(*numbered(3)) == Loaded(3)
    assert list(map(len, dynamo.requests)) == [3, 3]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (refusal("AccessDeniedException"), AccessDeniedError),
        (refusal("ResourceNotFoundException"), DestinationMissingError),
    ],
)
def test_an_error_that_stays_is_not_waited_for(fault: Fault, error: type[PenstockError]) -> None:
    dynamo = FaultyDynamo(lambda items: fault)
    loading = Loading(dynamo)
    with pytest.raises(error, match="dynamodb:BatchWriteItem on table records"):
        loading.load(*numbered(5))
    assert (len(dynamo.requests), loading.waited) == (1, [])


def test_after_an_error_the_requests_that_wait_are_not_sent() -> None:
    dynamo = FaultyDynamo(lambda items: refusal("AccessDeniedException"))
    with pytest.raises(AccessDeniedError):
        Loading(dynamo, workers=2).load(*numbered(25 * 40))
    assert len(dynamo.requests) < 10


def test_after_an_error_nothing_is_sent_again_either() -> None:
    # One request, after the other requests were throttled.
    faults = chain(repeat(THROTTLES[0], 3), [refusal("AccessDeniedException")], repeat(THROTTLES[0]))
    dynamo = FaultyDynamo(lambda items: next(faults))
    patient = replace(LONGEST, attempts=1000)
    loading = Loading(dynamo, workers=4, backoff=patient, sleep=lambda _: time.sleep(0.001))
    with pytest.raises(AccessDeniedError):
        loading.load(*numbered(100))
    assert len(dynamo.requests) < patient.attempts


def test_one_bad_item_costs_a_few_requests_more() -> None:
    dynamo = FaultyDynamo(refuses=lambda item: item["n"]["N"] == "13")
    loaded = Loading(dynamo, workers=1).load(*numbered(25))
    assert (loaded.rows, [reject.position for reject in loaded.rejects]) == (24, [position_at(13)])
    assert len(dynamo.requests) <= 2 * 5 + 1
    assert len(dynamo.items) == 24


def test_the_description_of_a_busy_or_new_table_is_requested_again() -> None:
    dynamo = FaultyDynamo()
    dynamo.descriptions = [THROTTLES[1], EndpointConnectionError(endpoint_url="x"), {"TableStatus": "CREATING"}]
    loading = Loading(dynamo)
    assert loading.load(*numbered(1)) == Loaded(1)
    assert loading.waited == [0.1, 0.2, 0.4]


def test_a_table_that_is_never_ready_is_for_a_later_attempt() -> None:
    dynamo = FaultyDynamo()
    dynamo.descriptions = [{"TableStatus": "CREATING"}] * 9
    loading = Loading(dynamo)
    with pytest.raises(ServiceUnavailableError, match="table records is still being created"):
        loading.load(*numbered(1))
    assert loading.waited == [0.1, 0.2, 0.4, 0.8]


class Measured(FaultyDynamo):
    """Records the most concurrent requests, and the most bytes in them."""

    def __init__(self, *, together: int = 1) -> None:
        super().__init__()
        self.most = 0
        self.most_bytes = 0
        self._now: list[int] = []
        self._counting = Lock()
        self._together = Barrier(together, timeout=30)

    def batch_write_item(self, *, RequestItems: EncodedPuts) -> Any:  # noqa: N803  # as boto3 spells it
        size = len(RequestItems.body)
        with self._counting:
            self._now.append(size)
            self.most = max(self.most, len(self._now))
            self.most_bytes = max(self.most_bytes, sum(self._now))
        self._together.wait()
        time.sleep(0.002)  # so that others catch up with it
        answer = super().batch_write_item(RequestItems=RequestItems)
        with self._counting:
            self._now.remove(size)
        return answer


def test_every_worker_sends_a_request_at_the_same_time() -> None:
    dynamo = Measured(together=4)
    assert Loading(dynamo, workers=4).load(*numbered(25 * 8)) == Loaded(200)
    assert dynamo.most == 4
    assert set(map(len, dynamo.requests)) == {25}


@pytest.mark.parametrize("size", [10, 5 * KIB, 90 * KIB, 390 * KIB])
def test_requests_under_way_stay_within_the_budget(size: int) -> None:
    dynamo = Measured()
    rows: list[Row] = [{"id": str(n), "text": "x" * size} for n in range(60)]
    assert Loading(dynamo, workers=8, budget=1 * MIB).load(*rows) == Loaded(60)
    assert dynamo.most_bytes <= 1 * MIB


def test_an_item_larger_than_the_budget_goes_alone() -> None:
    dynamo = Measured()
    rows: list[Row] = [{"id": str(n), "text": "x" * 300 * KIB} for n in range(5)]
    assert Loading(dynamo, workers=4, budget=100 * KIB).load(*rows) == Loaded(5)
    assert (dynamo.most, list(map(len, dynamo.requests))) == (1, [1] * 5)


def test_items_that_are_much_larger_as_json_still_fit_a_request() -> None:
    dynamo = FaultyDynamo()
    # 400 KB of item, 3 MB of JSON, each.
    rows: list[Row] = [{"id": str(n), "flags": [True] * 200_000} for n in range(7)]
    assert Loading(dynamo, budget=64 * MIB).load(*rows) == Loaded(7)
    assert len(json.dumps(dynamo.requests[0])) > 2 * MIB


def test_the_last_row_wins_across_concurrent_requests() -> None:
    dynamo = FaultyDynamo(random_faults(5, 0.3))
    many: list[Row] = [{"id": f"{n % 100:05}", "n": n} for n in range(2000)]
    assert Loading(dynamo, workers=8).load(*many) == Loaded(2000)
    assert {item["n"]["N"] for item in dynamo.items.values()} == set(map(str, range(1900, 2000)))
