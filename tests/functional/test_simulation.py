"""The simulator in its short form, and proof that it finds what it is for.

The long form is `make simulate`, and 100,000 histories in `make night`. Each mutation takes the fix of an earlier error
out: the simulator must find that error again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import count

import pytest
from simulation import stack
from simulation.history import History
from simulation.inline import inline_threads
from simulation.plan import plan_of
from simulation.rights import rights
from simulation.shrink import shrink

from lengths import long

# Each mutation must be found within so many histories.
MOST = 10_000
SHORT = 200


@pytest.fixture(autouse=True)
def _inline() -> Iterator[None]:
    with inline_threads():
        yield


def run(seed: int) -> History:
    return History(plan_of(seed)).run()


def first_wrong(seeds: Iterator[int]) -> History:
    """Run histories until one is wrong."""
    return next(found for seed in seeds if (found := run(seed)).problems)


@pytest.mark.timeout(120)
def test_no_history_is_wrong() -> None:
    wrong = {seed: found.problems for seed in range(SHORT) if (found := run(seed)).problems}
    assert wrong == {}


def test_a_seed_decides_all_that_happens() -> None:
    assert [run(seed).trace for seed in (7, 11, 20)] == [run(seed).trace for seed in (7, 11, 20)]


def test_histories_of_different_seeds_differ() -> None:
    assert len({run(seed).trace for seed in range(5)}) == 5


# A1: a second attempt of `ingest` was not allowed to read the job's work files.
def without_work_files(patch: pytest.MonkeyPatch) -> None:
    removed = frozenset({("IngestRole", "s3:GetObject", "arn:aws:s3:::work/jobs/")})
    patch.setattr(stack, "rights", partial(rights, removed))


# A1, too: `index` was not allowed to record why it failed.
def without_failures_of_index(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(stack, "rights", partial(rights, frozenset({("IndexRole", "dynamodb:UpdateItem", "")})))


MUTATIONS = (
    long(without_work_files, "refused: IngestRole may not s3:GetObject"),
    long(without_failures_of_index, "refused: IndexRole may not dynamodb:UpdateItem"),
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
    assert len(small.plan.uploads) < len(found.plan.uploads)
    assert len(small.stack.chaos.happened) < len(found.stack.chaos.happened)
