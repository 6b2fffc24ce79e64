"""Filters, as the aws command means them (AWS CLI reference: "Use of Exclude and Include Filters")."""

from __future__ import annotations

import pytest

from penstock.sync.filters import Filters, Rule


def filters(*rules: str) -> Filters:
    """``+`` includes, ``-`` excludes."""
    return Filters(Rule(rule[0] == "+", rule[1:]) for rule in rules)


@pytest.mark.parametrize(
    ("rules", "name", "taken"),
    [
        ((), "any/thing", True),
        (("-*",), "a.txt", False),
        (("-*", "+*.txt"), "a.txt", True),
        (("-*", "+*.txt"), "a.csv", False),
        (("+*.txt", "-*"), "a.txt", False),
        (("-*.txt",), "a.txt", False),
        (("-*.txt",), "deep/er/a.txt", False),
        (("-*.txt",), "a.txt.gz", True),
        (("-.git/*",), ".git/config", False),
        (("-.git/*",), "sub/.git/config", True),
        (("-*.git/*",), "sub/.git/config", False),
        (("-a",), "a/b", True),
        (("-a/*",), "a/b/c", False),
        (("-?.txt",), "a.txt", False),
        (("-?.txt",), "ab.txt", True),
        (("-a?b",), "a/b", False),
        (("-[ab].txt",), "b.txt", False),
        (("-[!ab].txt",), "b.txt", True),
        (("-[!ab].txt",), "c.txt", False),
        (("-*.TXT",), "a.txt", True),
        (("-a+b(c).txt",), "a+b(c).txt", False),
        (("-*", "+a*", "-ab*", "+abc*"), "a", True),
        (("-*", "+a*", "-ab*", "+abc*"), "ab", False),
        (("-*", "+a*", "-ab*", "+abc*"), "abcd", True),
        (("-*x",), "line\nx", False),
    ],
)
def test_the_last_filter_that_matches_wins(rules: tuple[str, ...], name: str, taken: bool) -> None:
    assert filters(*rules).accept(name) is taken
