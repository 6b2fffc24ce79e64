"""Keys that become files: none leaves the folder, and none is taken for another."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.sync.names import Ancestors, refusal

TRICKS = st.lists(st.sampled_from(["..", ".", "", "a", "b c", "\\", "..\\", "\0", "é", "~", "C:", "..."]), max_size=6)


@pytest.mark.parametrize("name", ["a", "a/b", "...", "a/..b", "~", "~root/x", "-rf", "a b", "a\\b", "é", "a\nb"])
def test_a_harmless_name_is_taken(name: str) -> None:
    assert refusal(name) == ""


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../a", ".."),
        ("a/../../b", ".."),
        ("a/..", ".."),
        ("..", ".."),
        ("/etc/passwd", "absolute"),
        ("", "absolute"),
        ("a\0b", "NUL"),
        ("a//b", "//"),
        ("a/./b", "'.'"),
        ("a/", "ends with"),
    ],
)
def test_a_name_that_cannot_be_a_file_is_refused_with_the_reason(name: str, reason: str) -> None:
    assert reason in refusal(name)


@pytest.mark.parametrize("name", ["..\\a", "a\\b", "C:a"])
def test_where_a_backslash_separates_it_is_refused(name: str) -> None:
    assert "separator" in refusal(name, separating="\\:")


@given(TRICKS)
def test_what_is_taken_stays_below_the_folder_and_is_named_as_it_was(parts: list[str]) -> None:
    name = "/".join(parts)
    if not refusal(name):
        root = Path("/target")
        path = os.path.normpath(root.joinpath(*name.split("/")))
        assert Path(path).relative_to(root).as_posix() == name


@given(st.lists(st.text("ab-/", min_size=1, max_size=5), unique=True, max_size=12))
def test_a_name_below_a_file_is_found_as_long_as_names_come_in_order(names: list[str]) -> None:
    ancestors = Ancestors()
    files: set[str] = set()
    for name in sorted(names):
        expected = {above for above in files if name.startswith(f"{above}/")}
        found = ancestors.file_above(name)
        assert found in expected if expected else found == ""
        if not expected:
            files.add(name)
