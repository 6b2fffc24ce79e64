"""docs/limits.md says what the planner does."""

from __future__ import annotations

import re

import pytest
from benchmarks.limits import DOCUMENT, SIZES, Simulation, main

from penstock.limits import GIB, MIB, S3, TIB, Budget


def test_every_quota_holds_and_the_document_shows_what_is_planned() -> None:
    assert main(["--check"]) == 0


def test_the_largest_object_is_s3s() -> None:
    _, largest = SIZES[-1]
    assert largest == 50_000 * 1024**3
    assert Simulation(largest, 40).part * 10_000 >= largest


def test_a_quota_that_does_not_hold_ends_the_simulation() -> None:
    with pytest.raises(SystemExit, match="concurrency of a Map"):
        Simulation(GIB, 20_000).row("1 GiB")


@pytest.mark.parametrize("memory", [1769, 10_240])
def test_the_document_says_for_how_much_a_functions_memory_holds_parts(memory: int) -> None:
    part = min(Budget.of(memory * MIB).largest_part, S3.max_part)
    tebibytes = int(part * S3.max_parts / TIB * 10) / 10
    assert re.search(rf"{memory:,} MB (hold parts )?for {tebibytes} TiB", DOCUMENT.read_text())


def test_the_page_on_large_files_states_the_time_and_the_price_of_the_table() -> None:
    """Another page states one line of it in words."""
    row = Simulation(10**12, 40).row("1 TB")
    wall, price = (cell.strip() for cell in row.strip("| ").split("|")[-2:])
    page = " ".join(DOCUMENT.with_name("large-files.md").read_text().split())
    assert f"takes about {wall.partition(' ')[0]} minutes with 40 workers and costs {price} dollars" in page
