"""Routes that take archives apart, and routes of their members."""

from __future__ import annotations

import pytest

from penstock.errors import DestinationLoopError, InvalidRouteError
from penstock.model.member import Member
from penstock.model.object import Source, Target, member_source
from penstock.model.route import MEMBERS, Route, TableTarget
from penstock.model.serialization import from_json, to_json
from penstock.routes import Routes, destination_of, parse_routes, render_target, takes_member
from penstock.routes.covering import never_taken

BUCKETS = {"source_bucket": "drops", "destination_bucket": "lake", "work_bucket": "work"}
ZIPS = """
[[route]]
name = "zips"
match = "in/*.zip"
archive = "members"
"""
FILES = """
[[route]]
name = "files"
match = "*.zip/*"
destination = "s3://lake/{archive}/{member}"
"""
ARCHIVE = Source("drops", "in/a.zip", 100, "e", "v1", "0A", "2026-11-21T23:30:00.000Z")


def parse(text: str) -> Routes:
    return parse_routes(text, "routes.toml", BUCKETS)


def member(name: str = "x/y.csv.gz", number: int = 3) -> Source:
    return member_source(ARCHIVE, Member(name, number, 7))


def test_a_route_of_archives_has_no_destination_and_its_members_find_their_own() -> None:
    routes = parse(ZIPS + FILES)
    zips, files = routes.routes
    assert routes.route_of(ARCHIVE) == zips
    assert destination_of(zips, ARCHIVE) == TableTarget(MEMBERS, "")
    assert routes.route_of(member()) == files
    assert destination_of(files, member()) == Target("lake", "in/a.zip/x/y.csv.gz")


@pytest.mark.parametrize(
    ("template", "key"),
    [
        ("{archive}|{member}|{member_base}", "in/a.zip|x/y.csv.gz|y.csv"),
        ("{member_base}/{dir}{base}", "y.csv/in/a.zip/x/y.csv"),
        ("{member}-{key}", "x/y.csv.gz-in/a.zip/x/y.csv.gz"),
    ],
)
def test_the_destination_key_has_the_fields_of_a_member(template: str, key: str) -> None:
    (_, route) = parse(ZIPS + FILES.replace("{archive}/{member}", template)).routes
    assert render_target(route, member()) == Target("lake", key)


def test_a_route_with_fields_of_a_member_leaves_objects_to_the_next_route() -> None:
    routes = parse(ZIPS + FILES + '[[route]]\nname = "rest"\nmatch = "*"\ndestination = "s3://lake/{key}"')
    found = routes.route_of(Source("drops", "in/a.zip/x.csv", 1, "e"))
    assert found
    assert found.name == "rest"


def test_a_template_with_fields_of_a_member_is_not_rendered_for_an_object() -> None:
    (_, route) = parse(ZIPS + FILES).routes
    with pytest.raises(InvalidRouteError, match=r"'files': destination: .*s3://drops/b.csv is no member"):
        render_target(route, Source("drops", "b.csv", 1, "e"))


@pytest.mark.parametrize("archives", ["", ZIPS.replace("in/*.zip", "out/*.zip")])
def test_fields_of_a_member_need_a_route_whose_archives_have_such_members(archives: str) -> None:
    with pytest.raises(InvalidRouteError, match=r"'files': destination: has fields of a member, but no route"):
        parse(archives + FILES.replace('"*.zip/*"', '"in/*.zip/*"'))


@pytest.mark.parametrize(
    ("field", "complaint"),
    [
        ('destination = "s3://lake/{key}"', "destination: is not for archive"),
        ("max_rejects = 1", "max_rejects: is not for archive"),
        ('table = {mode = "append"}', "table: is not for archive"),
        ("members = []", "members: must be a string or a list"),
        ('on_member_failure = "stop"', "on_member_failure: must be one of continue, fail"),
        ("nulls = 1", "nulls: is not a field of a route"),
    ],
)
def test_a_route_of_archives_refuses_other_fields(field: str, complaint: str) -> None:
    with pytest.raises(InvalidRouteError, match=complaint):
        parse(ZIPS + field)


@pytest.mark.parametrize("field", ['members = "*.csv"', 'on_member_failure = "fail"'])
def test_any_other_route_refuses_the_fields_of_archives(field: str) -> None:
    with pytest.raises(InvalidRouteError, match='is for archive = "members"'):
        parse('[[route]]\nname = "r"\nmatch = "*"\ndestination = "s3://lake/{key}"\n' + field)


def keep(fields: str) -> Route:
    return parse('[[route]]\nname = "r"\nmatch = "*.tgz"\narchive = "keep"\n' + fields).routes[0]


def test_an_archive_that_is_kept_is_copied_without_decoding() -> None:
    route = keep('destination = "s3://lake/{key}"')
    assert (route.codec, route.takes_apart) == ("identity", False)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ('destination = "postgresql:t"', "archive: .* postgresql takes rows"),
        ('destination = "s3://lake/{key}"\ncodec = "gzip"', "codec: is not for archive"),
    ],
)
def test_an_archive_is_kept_as_an_object_and_not_decoded(fields: str, complaint: str) -> None:
    with pytest.raises(InvalidRouteError, match=complaint):
        keep(fields)


@pytest.mark.parametrize(
    ("patterns", "name", "taken"),
    [
        ((), "a.csv", True),
        (("*.csv",), "x/a.csv", True),
        (("*.csv",), "a.txt", False),
        (("*.csv", "!__MACOSX/*"), "__MACOSX/a.csv", False),
        (("!__MACOSX/*",), "a.txt", True),
        (("!__MACOSX/*",), "__MACOSX/a.csv", False),
        (("!tmp/*", "tmp/keep.csv"), "tmp/keep.csv", True),
        (("tmp/keep.csv", "!tmp/*"), "tmp/keep.csv", False),
    ],
)
def test_the_last_pattern_that_matches_a_member_decides(patterns: tuple[str, ...], name: str, *, taken: bool) -> None:
    assert takes_member(patterns, name) is taken


def test_a_route_of_archives_does_not_take_its_own_members() -> None:
    routes = parse(ZIPS.replace("in/*.zip", "in/*") + FILES)
    found = routes.route_of(member())
    assert found
    assert found.name == "files"


def test_the_members_of_an_archive_are_not_hidden_by_its_route() -> None:
    routes = parse(ZIPS.replace("in/*.zip", "*") + FILES)
    assert list(never_taken(routes.routes)) == []
    inner = parse(ZIPS.replace("in/*.zip", "*") + ZIPS.replace("zips", "inner"))
    assert list(never_taken(inner.routes)) == []
    again = parse(ZIPS + ZIPS.replace("zips", "again").replace("in/*.zip", "in/a.zip"))
    assert [route.name for route, _ in never_taken(again.routes)] == ["again"]


INNER = ZIPS.replace("zips", "inner").replace("in/*.zip", "in/*/*.zip")


def inner(name: str = "b.csv", within: str = "d/i.zip") -> Source:
    return member_source(ARCHIVE, Member(name, 4, within=Member(within, 2)))


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (member("d/i.zip"), "inner"),
        (member("d/i.ZIP"), None),
        (member("i.csv"), "files"),
        (inner(), "files"),
        (inner("third.zip"), "inner"),  # and so it is refused: archives are taken apart one level deep
    ],
)
def test_a_route_takes_inner_archives_apart_if_it_is_not_that_of_the_object(source: Source, name: str | None) -> None:
    for routes in (parse(ZIPS + INNER + FILES), parse(INNER + ZIPS + FILES)):
        found = routes.route_of(source)
        assert (found and found.name) == (name or "files")
    alone = parse(ZIPS.replace("in/*.zip", "in/*") + FILES.replace("*.zip/*", "*.zip/*.csv"))
    assert alone.route_of(member("d/i.zip")) is None


def test_the_first_route_that_matches_an_inner_archive_decides() -> None:
    found = parse(ZIPS + FILES + INNER).route_of(member("i.zip"))
    assert found
    assert found.name == "files"


def test_an_inner_member_has_fields_of_both_archives() -> None:
    (_, route) = parse(ZIPS + FILES.replace("{archive}/{member}", "{archive}|{member}|{member_base}")).routes
    assert render_target(route, inner("x/b.csv.gz")) == Target("lake", "in/a.zip|d/i.zip/x/b.csv.gz|b.csv")


def test_a_key_is_read_as_that_of_an_inner_member() -> None:
    routes = parse(ZIPS + 'members = ["*.zip", "n/*"]\n' + INNER + 'members = "*.csv"\n' + FILES)
    found = routes.as_member(Source("drops", "in/a.zip/d/i.zip/b.csv", 0, ""))
    assert found
    assert (found.archive, found.object_key) == ("in/a.zip/d/i.zip", "in/a.zip")
    assert found.member == Member("b.csv", within=Member("d/i.zip"))
    assert routes.as_member(Source("drops", "in/a.zip/d/i.zip/b.txt", 0, "")) is None
    other = routes.as_member(Source("drops", "in/a.zip/n/i.tar/b.csv", 0, ""))
    assert other
    assert other.member == Member("n/i.tar/b.csv")


def test_what_a_member_becomes_in_the_source_bucket_must_not_be_routed_again() -> None:
    loop = FILES.replace("s3://lake/", "s3://drops/").replace("{archive}/{member}", "in/{member}")
    with pytest.raises(DestinationLoopError, match="matches route 'zips' again"):
        parse(ZIPS + loop)


def test_what_a_member_becomes_in_the_source_bucket_is_an_object_for_which_routes_of_members_do_not_count() -> None:
    routes = parse(ZIPS + FILES.replace("s3://lake/{archive}/", "s3://drops/out/"))
    route = routes.route_of(member())
    assert route
    routes.refuse_loop(route, member(), render_target(route, member()))
    with pytest.raises(DestinationLoopError, match="would match route 'zips' again"):
        routes.refuse_loop(route, member(), Target("drops", "in/b.zip"))


def test_a_key_is_read_as_that_of_a_member() -> None:
    routes = parse(ZIPS + 'members = "*.csv"\n' + FILES)
    found = routes.as_member(Source("drops", "in/a.zip/x.csv", 0, ""))
    assert found
    assert (found.archive, found.member) == ("in/a.zip", Member("x.csv"))
    assert routes.as_member(Source("drops", "in/a.zip/x.txt", 0, "")) is None
    assert routes.as_member(Source("drops", "in/a.tar/x.csv", 0, "")) is None


def test_the_digest_of_a_route_depends_on_the_fields_of_archives() -> None:
    fields = ("", 'members = "*.csv"', 'on_member_failure = "fail"')
    routes = [parse(ZIPS + field).routes[0] for field in fields]
    assert len({route.digest for route in routes}) == len(routes)
    assert [from_json(Route, to_json(route)) for route in routes] == routes


def test_a_secret_with_the_password_is_that_of_an_archive() -> None:
    with_secret = ZIPS + 'password_secret = "archive-password"\n'
    zips, _ = parse(with_secret + FILES).routes
    assert zips.password_secret == "archive-password"
    assert from_json(Route, to_json(zips)).password_secret == "archive-password"
    for text in (ZIPS + 'password_secret = ""\n' + FILES, ZIPS + FILES + 'password_secret = "archive-password"\n'):
        with pytest.raises(InvalidRouteError, match="password_secret"):
            parse(text)


def test_a_job_keeps_its_id_when_its_route_names_a_secret() -> None:
    """It failed without the password, and is redriven."""
    (without, _), (named, _) = parse(ZIPS + FILES).routes, parse(ZIPS + 'password_secret = "a"\n' + FILES).routes
    assert named.digest == without.digest
