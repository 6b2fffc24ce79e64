"""How the entries of an archive are put into batches, and how plans of archives are stored."""

from __future__ import annotations

import json

import pytest

from penstock.archives.archive import Skipped
from penstock.large_jobs.job_files import JobFolder
from penstock.large_jobs.member_batches import (
    MOST_ENTRIES,
    Estimated,
    MemberBatch,
    cut_batches,
    read_entries,
    write_entries,
)
from penstock.large_jobs.span_plan import MemberBatches, SpanPlanDocument, from_document, to_document
from penstock.model.member import Member, MemberContent
from penstock.model.serialization import from_json, to_json
from penstock.testing import MemoryWorkFiles


def member(number: int, size: int = 10) -> Member:
    return Member(f"{number}.txt", number, size, MemberContent(number * 100, number * 100 + size, crc32=7))


def cut(*entries: Estimated) -> list[MemberBatch]:
    return [batch for batch, _ in cut_batches(entries)]


def test_a_batch_has_a_maximum_of_entries() -> None:
    batches = cut(*(Estimated(member(number)) for number in range(1, 2 * MOST_ENTRIES + 2)))
    assert [(batch.first, batch.last) for batch in batches] == [(1, 1000), (1001, 2000), (2001, 2001)]
    assert [batch.number for batch in batches] == [1, 2, 3]
    assert batches[0].bytes == 10 * MOST_ENTRIES


def test_a_batch_has_a_maximum_of_estimated_seconds() -> None:
    batches = cut(*(Estimated(member(number), 25.0) for number in range(1, 6)))
    assert [(batch.first, batch.last) for batch in batches] == [(1, 2), (3, 4), (5, 5)]


def test_a_large_member_is_alone_and_has_a_number_of_its_own() -> None:
    large = {2, 4, 5}
    batches = cut(*(Estimated(member(number), 1.0, number in large) for number in range(1, 7)))
    assert [(batch.first, batch.last, batch.large) for batch in batches] == [
        (1, 1, 0), (2, 2, 1), (3, 3, 0), (4, 4, 2), (5, 5, 3), (6, 6, 0),
    ]  # fmt: skip


def test_every_entry_is_in_one_batch_in_order() -> None:
    entries = [Estimated(member(n), float(n % 50), n % 7 == 0) for n in range(1, 500)]
    listed = [entry for _, batch in cut_batches(entries) for entry in batch]
    assert listed == [one.entry for one in entries]


def test_entries_are_read_as_they_were_written() -> None:
    folder = JobFolder(MemoryWorkFiles(), "job")
    entries: list[Member | Skipped] = [
        member(1),
        Skipped("folder/", 2, "it is a directory"),
        Member("ü.txt", 3, modified="2026-11-29", mode=420),
    ]
    write_entries(folder, 4, entries)
    assert read_entries(folder, 4) == entries


@pytest.mark.parametrize("count", [0, 3])
def test_the_plan_of_an_archive_is_stored_and_read(count: int) -> None:
    plan = MemberBatches("zip", count, 1000, 12, skipped=2, large=1, ordered=True, execution="first")
    assert from_document(from_json(SpanPlanDocument, to_json(to_document(plan)))) == plan


def test_the_plan_of_any_other_job_is_stored_as_before() -> None:
    document = SpanPlanDocument("gzip", 3, 100)
    assert not {"members", "skipped", "large"} & json.loads(to_json(document)).keys()
