"""No two members of an archive have one destination."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from penstock.delivery.member_targets import TextSet, refuse_double_targets
from penstock.errors import InvalidRouteError
from penstock.model.job import Job
from penstock.model.member import Member
from penstock.model.object import Source, member_source
from penstock.routes import destination_of, parse_routes

ARCHIVE = Source("drops", "a.zip", 100, "e", "v1")
ROUTES = parse_routes(
    """
    [[route]]
    name = "zips"
    match = "*.zip"
    archive = "members"
    [[route]]
    name = "replaced"
    match = "*/replaced-*.csv"
    destination = "postgresql:replaced"
    table = { mode = "replace" }
    [[route]]
    name = "also replaced"
    match = "*/more-*.csv"
    destination = "postgresql:replaced"
    [[route]]
    name = "appended"
    match = "*.csv"
    destination = "postgresql:appended"
    table = { mode = "append" }
    [[route]]
    name = "files"
    match = "*"
    destination = "s3://lake/{member_base}"
    """,
    "routes.toml",
    {"source_bucket": "drops"},
)


def jobs(*names: str) -> Iterator[Job]:
    for number, name in enumerate(names, start=1):
        source = member_source(ARCHIVE, Member(name, number, 1))
        route = ROUTES.route_of(source)
        assert route
        yield Job(source, route, destination_of(route, source))


def check(*names: str) -> None:
    refuse_double_targets(ARCHIVE.uri, lambda: jobs(*names))


def test_members_with_destinations_of_their_own_pass() -> None:
    check("a", "b", "x/c", "1.csv", "2.csv", "replaced-1.csv")
    check("more-1.csv", "more-2.csv")
    check("replaced-1.csv", "x", "replaced-2.csv")


@pytest.mark.parametrize(
    ("names", "first", "second", "target"),
    [
        (("a", "x/b", "c", "y/b"), "x/b", "y/b", "s3://lake/b"),
        (("x/a.gz", "a"), "x/a.gz", "a", "s3://lake/a"),
        (("more-1.csv", "more-2.csv", "replaced-1.csv"), "more-1.csv", "replaced-1.csv", "postgresql:replaced"),
        (("replaced-1.csv", "1.csv", "more-1.csv"), "replaced-1.csv", "more-1.csv", "postgresql:replaced"),
    ],
)
def test_the_first_two_with_one_destination_are_named(
    names: tuple[str, ...], first: str, second: str, target: str
) -> None:
    with pytest.raises(InvalidRouteError) as refused:
        check(*names)
    assert str(refused.value) == (
        f"s3://drops/a.zip: members {first!r} and {second!r} would both be written to {target}; nothing was delivered"
    )


def test_many_texts_are_told_apart() -> None:
    texts = TextSet()
    assert all(texts.add(f"text {n}") for n in range(20_000))
    assert not any(texts.add(f"text {n}") for n in range(20_000))


def test_texts_whose_digests_agree_are_no_double_target(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TextSet, "add", lambda self, text: False)
    check("a", "b")


@pytest.mark.parametrize(
    ("names", "hint"),
    [
        (
            ("x/b", "y/b"),
            "Use {member} in the route's destination, or leave one of them out by the patterns of members.",
        ),
        (
            ("x/b", "x/b"),
            "The archive has this name twice: make it again with one of them, or leave out both by a pattern.",
        ),
        (
            ("more-1.csv", "replaced-1.csv"),
            "Let all members replace the table, or none, or leave some of them out by the patterns of members.",
        ),
    ],
)
def test_the_way_out_is_one_that_this_archive_has(names: tuple[str, ...], hint: str) -> None:
    with pytest.raises(InvalidRouteError) as refused:
        check(*names)
    assert refused.value.hint == hint
