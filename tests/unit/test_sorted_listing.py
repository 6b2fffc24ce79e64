"""Listings are sorted where no service promises it, in little memory; and no order is believed unchecked."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.aws.s3.listing_order import is_sorted_by_contract
from penstock.errors import UnsortedListingError
from penstock.limits import MIB
from penstock.sync.filters import Filters
from penstock.sync.model import File, RemoteFile, SyncError
from penstock.sync.plan import pairs
from penstock.sync.sorted_listing import sorted_files


def listed(name: str, etag: str = "e") -> RemoteFile:
    return RemoteFile(name, "lake", f"prefix/{name}", len(name), etag, 1.5)


@pytest.mark.parametrize(
    ("endpoint", "bucket", "promised"),
    [
        ("", "lake", True),
        ("", "lake--use1-az4--x-s3", False),
        ("", "point--use1-az4--xa-s3", False),
        ("http://127.0.0.1:9000", "lake", False),
    ],
)
def test_only_general_purpose_buckets_of_aws_are_sorted_by_contract(endpoint: str, bucket: str, promised: bool) -> None:
    assert is_sorted_by_contract(endpoint, bucket) is promised


@given(st.lists(st.text("ab-/.é\U0001f600\uffff\0\x1b", min_size=1, max_size=4), unique=True))
def test_names_come_sorted_by_their_bytes_with_all_that_was_listed(names: list[str]) -> None:
    files = [listed(name) for name in names]
    assert list(sorted_files(files)) == sorted(files, key=lambda file: file.name.encode())


def test_a_name_that_was_listed_twice_comes_once_as_it_was_listed_last() -> None:
    assert list(sorted_files([listed("b", "1"), listed("a"), listed("b", "2")])) == [listed("a"), listed("b", "2")]


def test_a_long_listing_takes_little_memory() -> None:
    def many() -> Iterator[RemoteFile]:
        numbers = random.Random(1).sample(range(20_000), 20_000)
        return (listed(f"{number:0100}") for number in numbers)

    tracemalloc.start()
    assert sum(1 for _ in sorted_files(many())) == 20_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * MIB


@pytest.mark.parametrize("unsorted", ["source", "destination"])
def test_a_walk_that_is_not_sorted_ends_the_comparison(unsorted: str) -> None:
    files: dict[str, list[File | SyncError]] = {
        "source": [listed("a"), listed("b")],
        "destination": [listed("a"), listed("b")],
    }
    files[unsorted].reverse()
    with pytest.raises(UnsortedListingError, match="'a' was listed after 'b'"):
        list(pairs(iter(files["source"]), iter(files["destination"]), Filters()))
