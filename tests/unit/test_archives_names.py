"""Names of members: what becomes part of a key or of a path, and what does not."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.archives.names import MAX_NAME, name_refusal, plain_name


@pytest.mark.parametrize(
    "name", ["a.csv", "a/b.csv", "..a", "a../b", "a b/ü.csv", ".hidden", "a/.b", "C", "ab:c", "€" * 341]
)
def test_ordinary_names_stay_as_they_are(name: str) -> None:
    assert plain_name(name) == name
    assert name_refusal(name) == ""


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "no name"),
        (".", "no name"),
        ("./", "no name"),
        ("/etc/passwd", "absolute"),
        ("/", "absolute"),
        ("//host/a", "absolute"),
        ("..", "leads out"),
        ("../a", "leads out"),
        ("a/../../b", "leads out"),
        ("./../a", "leads out"),
        ("a/..", "leads out"),
        ("..\\a", "backslash"),
        ("a\\b", "backslash"),
        ("C:/a", "drive letter"),
        ("c:a", "drive letter"),
        ("./C:/a", "drive letter"),
        ("a\0.csv", "control character"),
        ("a\n.csv", "control character"),
        ("a\x85", "control character"),
        ("a\udcff", "not valid Unicode"),
        ("a" * (MAX_NAME + 1), "longer than 1,024 bytes"),
        ("€" * 342, "longer than 1,024 bytes"),
    ],
)
def test_names_that_are_refused(name: str, reason: str) -> None:
    assert reason in name_refusal(plain_name(name))


@pytest.mark.parametrize(
    ("name", "plain"),
    [("./a", "a"), ("a//b", "a/b"), ("./a/./b/", "a/b/"), ("a/.", "a"), ("/./a", "/a"), ("././", "")],
)
def test_segments_that_name_nothing_are_left_out(name: str, plain: str) -> None:
    assert plain_name(name) == plain


@given(st.text(alphabet="a./\\:C\0é", max_size=12))
def test_an_accepted_name_stays_below_its_folder(name: str) -> None:
    plain = plain_name(name)
    assert plain_name(plain) == plain
    if not name_refusal(plain):
        segments = plain.removesuffix("/").split("/")
        assert all(segment not in ("", ".", "..") for segment in segments)
        assert not PurePosixPath(plain).is_absolute()
