"""Two walks side by side: every name once, with what either tree has of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import FileError
from penstock.sync.filters import Filters, Rule
from penstock.sync.local_tree import LocalFolder
from penstock.sync.model import RemoteFile, SyncError
from penstock.sync.plan import Pair, pairs

NAMES = st.sets(st.text("ab-/.é\U0001f600\uffff", min_size=1, max_size=4), max_size=10)


def walk(names: set[str]) -> list[RemoteFile | SyncError]:
    return [RemoteFile(name, "lake", name, 1, "e", 0) for name in sorted(names, key=lambda name: name.encode())]


@given(NAMES, NAMES)
def test_every_name_comes_once_in_order_with_both_files(ours: set[str], theirs: set[str]) -> None:
    found = list(pairs(iter(walk(ours)), iter(walk(theirs)), Filters()))
    assert [pair.name for pair in found] == sorted(ours | theirs, key=lambda name: name.encode())
    for pair in found:
        assert isinstance(pair, Pair)
        assert bool(pair.source) == (pair.name in ours)
        assert bool(pair.destination) == (pair.name in theirs)


def test_filters_hold_for_both_trees() -> None:
    found = pairs(iter(walk({"a.txt", "b.csv"})), iter(walk({"c.txt", "d.csv"})), Filters([Rule(False, "*.txt")]))
    assert [pair.name for pair in found] == ["b.csv", "d.csv"]


def test_what_is_in_trouble_in_one_tree_is_no_pair() -> None:
    trouble = SyncError("b", "/tree/b", "permission denied")
    found = list(pairs(iter([trouble]), iter(walk({"a", "b", "c"})), Filters()))
    assert [one if isinstance(one, SyncError) else one.name for one in found] == ["a", trouble, "c"]


def test_a_missing_folder_is_told_before_the_bucket_is_listed(tmp_path: Path) -> None:
    """`walk` itself raises, not its first file: a listing that had begun would go on in its thread."""
    with pytest.raises(FileError, match="no such folder"):
        LocalFolder(str(tmp_path / "missing")).walk()
    assert list(LocalFolder(str(tmp_path / "missing"), must_exist=False).walk()) == []
