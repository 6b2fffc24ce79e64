"""What the bench of cold starts says, and when it fails."""

from __future__ import annotations

import pytest
from benchmarks.imports import ENOUGH, INGEST, SUBJECTS, TARGET, USUAL, Cost, table, verdict


def costs(ingest: float, turns: int = ENOUGH) -> list[Cost]:
    """Turns of a machine that is slower each time."""
    cpu = {USUAL.name: 1.0, INGEST.name: ingest}
    return [
        Cost(subject.name, 1.0, cpu.get(subject.name, 0.5) * (turn + 1), 1e6, 100)
        for turn in range(turns)
        for subject in SUBJECTS
    ]


def test_a_target_that_is_met_is_said() -> None:
    said, missed = verdict(costs(TARGET))
    assert not missed
    assert said.endswith("It takes 1.30, of 15 interpreters each: met.")


def test_one_that_is_missed_fails() -> None:
    said, missed = verdict(costs(1.31))
    assert missed
    assert said.endswith("missed.")


def test_too_few_interpreters_fail_nothing_and_say_so() -> None:
    said, missed = verdict(costs(2.0, ENOUGH - 1))
    assert not missed
    assert said.endswith("15 would tell.")


@pytest.mark.parametrize("turns", [1, 15])
def test_each_is_compared_with_the_usual_in_its_own_turn(turns: int) -> None:
    assert f"| {INGEST.name} | 1.20 (1.20-1.20) |" in table(costs(1.2, turns))
