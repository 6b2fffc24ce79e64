"""The short form of fuzzing: the first examples of every target, each in a process whose memory is bounded."""

from __future__ import annotations

import pytest

from fuzz.supervise import fuzz
from fuzz.targets import TARGETS
from lengths import examples

SEED = 1
EXAMPLES = examples(100)
FEWEST = 8  # of Parquet files, which a process of its own decodes


@pytest.mark.parametrize("name", TARGETS)
def test_damage_is_refused_by_errors_of_our_own(name: str) -> None:
    count = max(FEWEST, EXAMPLES // TARGETS[name].cost)
    summary = fuzz(name, seed=SEED, examples=count)
    assert not summary.findings, "\n".join(f"{one.error}\n{one.trace}" for one in summary.findings)
    assert summary.examples == count
    assert summary.refused["taken"]
    assert set(summary.refused) > {"taken"}
