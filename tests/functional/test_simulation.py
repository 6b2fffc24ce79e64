"""The simulator in its short form, and proof that it finds what it is for.

The long form is `make simulate`, and 100,000 histories in `make night`. Each mutation takes the fix of an earlier error
out: the simulator must find that error again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import count
from random import SystemRandom

import pytest
from simulation import stack
from simulation.history import History
from simulation.inline import inline_threads
from simulation.plan import plan_of
from simulation.rights import rights
from simulation.shrink import shrink

from lengths import long
from penstock.aws.s3 import conditions, head
from penstock.destinations.bucket import part_store, publish, sink
from penstock.destinations.parquet import schema
from penstock.destinations.ports import PublishRule, Verdict
from penstock.errors import ServiceUnavailableError, SupersededError
from penstock.model.object import ObjectHead, Published, Target
from penstock.sync import plan as sync_plan
from penstock.sync import s3_listing
from penstock.tables import kind_choice

# Each mutation must be found within so many histories.
MOST = 10_000
SHORT = 200


@pytest.fixture(autouse=True)
def _inline() -> Iterator[None]:
    with inline_threads():
        yield


def run(seed: int) -> History:
    return History(plan_of(seed)).run()


def size_of(history: History) -> int:
    plan = history.plan
    return len(plan.uploads) + len(plan.acts) + len(plan.kinds) + len(plan.disturbances) + plan.most_faults


def first_wrong(seeds: Iterator[int]) -> History:
    """Run histories until one is wrong."""
    return next(found for seed in seeds if (found := run(seed)).problems)


@pytest.mark.timeout(120)
def test_no_history_is_wrong() -> None:
    wrong = {seed: found.problems for seed in range(SHORT) if (found := run(seed)).problems}
    assert wrong == {}


def test_a_seed_decides_all_that_happens() -> None:
    # That of 6 writes files of Parquet.
    assert [run(seed).trace for seed in (6, 7, 11)] == [run(seed).trace for seed in (6, 7, 11)]


def test_histories_of_different_seeds_differ() -> None:
    assert len({run(seed).trace for seed in range(5)}) == 5


# A5: a test failed now and then, by a draw that nothing decided.
def test_a_draw_that_the_seed_does_not_decide_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "Random", lambda _: SystemRandom())
    assert run(7).trace != run(7).trace


# A1: a second attempt of `ingest` was not allowed to read the job's work files.
def without_work_files(patch: pytest.MonkeyPatch) -> None:
    removed = frozenset({("IngestRole", "s3:GetObject", "arn:aws:s3:::work/jobs/")})
    patch.setattr(stack, "rights", partial(rights, removed))


# A1, too: `index` was not allowed to record why it failed.
def without_failures_of_index(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(stack, "rights", partial(rights, frozenset({("IndexRole", "dynamodb:UpdateItem", "")})))


# A2: values behind the sample were taken for what the sample has shown, whatever their spelling.
def without_spellings(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(kind_choice, "is_spelled", lambda column: False)


# A2 once more, in files of Parquet only: as they were until the simulator met it.
def without_spellings_of_files(patch: pytest.MonkeyPatch) -> None:
    stored = schema._stored
    patch.setattr(schema, "_stored", lambda target, column: replace(stored(target, column), spellings=()))


# A3: sync took the listings of a directory bucket for sorted, and did not look whether they are.
def with_listings_that_are_taken_for_sorted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(s3_listing, "is_sorted_by_contract", lambda endpoint, bucket: True)
    patch.setattr(sync_plan, "in_order", lambda walk: walk)


# A4: a completion that S3 refuses for good was tried again, with the same upload.
def with_uploads_that_are_completed_again(patch: pytest.MonkeyPatch) -> None:
    for module in (sink, part_store):
        patch.setattr(module, "complete_by_rule", complete_again)


def complete_again(
    client: object, target: Target, rule: PublishRule, commit: Callable[[conditions.Condition], Published | None]
) -> Published | ObjectHead:
    for _ in range(publish.ATTEMPTS):
        existing = head.read_head(client, target.bucket, target.key)  # type: ignore[arg-type]  # a client
        verdict = rule(existing.metadata) if existing else Verdict.REPLACE
        if verdict is Verdict.SUPERSEDED:
            raise SupersededError(f"{target.uri} holds a newer result")
        if existing and verdict is Verdict.DUPLICATE:
            return existing
        condition: conditions.Condition = {"IfMatch": f'"{existing.etag}"'} if existing else {"IfNoneMatch": "*"}
        if published := commit(condition):
            return published
    raise ServiceUnavailableError(f"{target.uri} changed while it was being published")


MUTATIONS = (
    long(without_work_files, "refused: IngestRole may not s3:GetObject"),
    (without_failures_of_index, "refused: IndexRole may not dynamodb:UpdateItem"),
    (without_spellings, "or are not as written"),
    (without_spellings_of_files, "or are not as written"),
    long(with_listings_that_are_taken_for_sorted, "sync: the copies differ"),
    long(with_uploads_that_are_completed_again, "has failed without a fault"),
)


@pytest.mark.timeout(3_600)
@pytest.mark.parametrize(("mutate", "problem"), MUTATIONS)
def test_an_earlier_error_is_found_again(
    monkeypatch: pytest.MonkeyPatch, mutate: Callable[[pytest.MonkeyPatch], None], problem: str
) -> None:
    mutate(monkeypatch)
    found = first_wrong(iter(range(MOST)))
    assert any(problem in one for one in found.problems), found.problems


def test_a_missing_right_is_found_and_its_history_shrunk(monkeypatch: pytest.MonkeyPatch) -> None:
    without_work_files(monkeypatch)
    found = first_wrong(count(0))
    small = shrink(found.plan, found.problems)
    assert "IngestRole may not s3:GetObject" in small.problems[0]
    assert size_of(small) < size_of(found)
