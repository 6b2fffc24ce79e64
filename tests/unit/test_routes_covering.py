"""Which routes can never get a key."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model.route import Route
from penstock.routes.covering import covers, never_taken
from penstock.routes.patterns import tokens

PATTERNS = st.lists(st.sampled_from(["*", "?", "a", "b", "/", "[ab]", "[!a]", "["]), max_size=5).map("".join)


@pytest.mark.parametrize(
    ("one", "other"),
    [("*", "orders/*.csv"), ("*.gz", "in/*.csv.gz"), ("a?c", "abc"), ("[ab]*", "a*x"), ("in/*", "in/[0-9]?"), ("", "")],
)
def test_a_wider_pattern_covers_a_narrower_one(one: str, other: str) -> None:
    assert covers(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("*.gz", "*.GZ"), ("in/*", "*"), ("?", "*"), ("a?", "a*"), ("a", ""), ("*.csv", "*.csv.gz"), ("[ab]", "?")],
)
def test_a_narrower_pattern_does_not(one: str, other: str) -> None:
    assert not covers(one, other)


@given(PATTERNS, PATTERNS, st.text("ab/[", max_size=5))
def test_what_is_covered_is_matched(one: str, other: str, text: str) -> None:
    if covers(one, other) and fnmatchcase(text, other):
        assert fnmatchcase(text, one)


class Counting(str):
    """A text that counts how far it was searched."""

    __slots__ = ("gone",)

    def find(self, sub: str, start: int = 0, end: int | None = None) -> int:  # type: ignore[override]  # as it is called
        found = super().find(sub, start)
        self.gone: int = getattr(self, "gone", 0) + (found if found >= 0 else len(self)) - start
        return found


@pytest.mark.parametrize(
    "hostile", ["[" * 50_000, "[a" * 25_000, "[!" * 25_000 + "]", "[]" * 25_000, "[" * 49_999 + "]x["]
)
def test_a_pattern_is_gone_through_once(hostile: str) -> None:
    pattern = Counting(hostile)
    assert "".join(tokens(pattern)) == hostile
    assert getattr(pattern, "gone", 0) <= len(hostile)


@given(st.text("[]!a-b*?", max_size=9), st.text("[]!a-b", max_size=4))
def test_a_set_is_what_fnmatch_takes_for_one(pattern: str, text: str) -> None:
    signs = tokens(pattern)
    assert "".join(signs) == pattern
    if "*" not in pattern and fnmatchcase(text, pattern):
        assert len(text) == len(signs)
        assert all(fnmatchcase(one, sign) for one, sign in zip(text, signs, strict=True))


@given(PATTERNS)
def test_a_pattern_covers_itself(pattern: str) -> None:
    assert covers(pattern, pattern)


def route(name: str, *match: str, bucket: str = "*") -> Route:
    return Route(name, match, "s3://lake/{key}", source_bucket=bucket)


def test_a_route_is_never_taken_when_those_before_it_take_each_of_its_patterns() -> None:
    routes = [route("csv", "*.csv"), route("gz", "*.gz"), route("both", "in/*.csv", "in/*.gz"), route("last", "*")]
    assert [(late.name, early.name) for late, early in never_taken(routes)] == [("both", "gz")]


def test_a_route_of_another_bucket_is_in_nobodys_way() -> None:
    assert list(never_taken([route("one", "*", bucket="drops"), route("two", "*.csv")])) == []
    assert len(list(never_taken([route("one", "*"), route("two", "*.csv", bucket="drops")]))) == 1
