"""routes.toml: what is accepted, what is refused and how the refusal reads."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import DestinationLoopError, InvalidRouteError
from penstock.model.object import Source, Target
from penstock.model.route import DEFAULT_RATIO, Route
from penstock.routes import Routes, check_target, overlap, parse_routes, render_target
from penstock.wiring.routes import packaged_routes

BUCKETS = {"source_bucket": "drops", "destination_bucket": "lake", "work_bucket": "work"}


ROOT = Path(__file__).parents[2]


def parse(text: str) -> Routes:
    return parse_routes(text, "routes.toml", BUCKETS)


def one(**fields: object) -> Route:
    values = {"name": "r", "match": "*.gz", "destination": "s3://lake/{stem}"} | fields
    lines = [f"{name} = {value!r}" for name, value in values.items() if value is not None]
    return parse("[[route]]\n" + "\n".join(lines)).routes[0]


def source(key: str = "in/2026/sales.csv.gz") -> Source:
    return Source(bucket="drops", key=key, size=1, etag="e", event_time="2026-11-21T23:30:00.000Z")


def test_the_packaged_routes_are_valid_and_decompress_gzip() -> None:
    routes = parse(packaged_routes().read_text())
    route = routes.find("drops", "in/a.csv.gz")
    assert route
    assert render_target(route, source("in/a.csv.gz")) == Target("lake", "in/a.csv")


@pytest.mark.parametrize(
    ("key", "result"),
    [("A.CSV.GZ", "A.CSV"), ("logs.tgz", "logs.tar"), ("v.vcf.bgz", "v.vcf"), ("t.tsv", "t.tsv"), ("d.zst", "d")],
)
def test_the_packaged_routes_take_what_partners_send(key: str, result: str) -> None:
    routes = parse(packaged_routes().read_text())
    route = routes.find("drops", key)
    assert route
    assert render_target(route, source(key)).key == result


def test_the_packaged_routes_stand_at_the_top_of_the_checkout_too() -> None:
    assert (ROOT / "routes.toml").resolve() == packaged_routes().resolve()


def test_the_demo_s_routes_end_with_the_packaged_ones() -> None:
    packaged = parse(packaged_routes().read_text()).routes
    demo = ROOT / "examples" / "demo" / "routes.toml"
    names = {**BUCKETS, "records_table": "records"}
    assert parse_routes(demo.read_text(), "demo", names).routes[-len(packaged) :] == packaged


def test_defaults_are_filled_in() -> None:
    route = one()
    assert (route.codec, route.source_bucket, route.max_ratio) == ("auto", "*", DEFAULT_RATIO)


def test_the_first_route_that_matches_takes_the_key() -> None:
    routes = parse(
        """
        [[route]]
        name = "special"
        match = "in/special/*"
        destination = "s3://lake/special/{name}"
        [[route]]
        name = "rest"
        match = ["*.gz", "*.xz"]
        destination = "s3://lake/{stem}"
        """
    )
    assert [r.name if (r := routes.find("drops", k)) else None for k in ("in/special/a.gz", "b.xz", "c.txt")] == [
        "special",
        "rest",
        None,
    ]


def test_a_route_may_be_bound_to_a_source_bucket() -> None:
    routes = Routes((one(source_bucket="drops-*"),), "drops-eu")
    assert routes.find("drops-eu", "a.gz")
    assert routes.find("other", "a.gz") is None


@pytest.mark.parametrize(
    ("template", "key"),
    [
        ("{key}", "in/2026/sales.csv.gz"),
        ("{stem}", "in/2026/sales.csv"),
        ("{dir}{base}", "in/2026/sales.csv"),
        ("{name}", "sales.csv.gz"),
        ("dt={year}-{month}-{day}/{hour}/{base}", "dt=2026-11-21/23/sales.csv"),
        ("{bucket}/{base}", "drops/sales.csv"),
    ],
)
def test_the_destination_key_follows_its_template(template: str, key: str) -> None:
    assert render_target(one(destination=f"s3://lake/{template}"), source()) == Target("lake", key)


def test_braces_in_a_key_are_not_a_template() -> None:
    assert render_target(one(), source("in/{key}{0}.gz")).key == "in/{key}{0}"


@given(st.text(min_size=1))
def test_any_key_can_be_rendered(key: str) -> None:
    assert render_target(one(destination="s3://lake/{dir}{name}"), source(key)).key == key


@pytest.mark.parametrize("key", ["", "k" * 1025, "é" * 513])
def test_a_destination_key_that_s3_cannot_hold_is_refused(key: str) -> None:
    with pytest.raises(InvalidRouteError, match=r"route 'r': destination: the key would have [\d,]+ bytes"):
        check_target(one(), Target("lake", key))


def test_a_destination_key_of_1024_bytes_is_fine() -> None:
    check_target(one(), Target("lake", "é" * 512))


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"name": None}, "routes.toml: route 1: name: is missing"),
        ({"match": None}, "route 'r': match: is missing"),
        ({"match": []}, "route 'r': match: must be a string or a list"),
        ({"match": [1]}, "route 'r': match: must be a string or a list"),
        ({"match": ["[" * 2049]}, "route 'r': match: a pattern has 2,049 characters; the maximum is 2,048"),
        ({"destination": None}, "route 'r': destination: is missing"),
        (
            {"destination": None, "destinaton": "s3://lake/x"},
            "route 'r': destination: is missing; did you mean 'destinaton'?",
        ),
        ({"kodec": "gzip"}, "route 'r': kodec: is not a field of a route; did you mean 'codec'?"),
        ({"destination": "lake/x"}, "route 'r': destination: must look like s3://bucket/key"),
        ({"destination": "s3://lake"}, "route 'r': destination: must look like s3://bucket/key"),
        ({"destination": "s3://lake/{nope}"}, "route 'r': destination: unknown field {nope}"),
        ({"destination": "s3://lake/{key!r}"}, "route 'r': destination: unknown field {key}"),
        ({"destination": "s3://lake/{key.x}"}, "route 'r': destination: unknown field {key.x}"),
        ({"destination": "s3://lake/{key"}, "route 'r': destination:"),
        ({"codec": "rar"}, "route 'r': codec: must be one of auto,"),
        ({"max_ratio": 0}, "route 'r': max_ratio: must be a number of at least 1"),
        ({"max_ratio": "x"}, "route 'r': max_ratio: must be a number of at least 1"),
        ({"max_bytes": "10 bananas"}, "route 'r': max_bytes: must be bytes or a size"),
        ({"max_bytes": -1}, "route 'r': max_bytes: must be bytes or a size"),
        ({"colour": "red"}, "route 'r': colour: is not a field of a route"),
    ],
)
def test_a_bad_field_is_refused_by_route_and_name(fields: dict[str, object], complaint: str) -> None:
    with pytest.raises(InvalidRouteError, match=re.escape(complaint)):
        one(**fields)


@pytest.mark.parametrize("text", ["", "x = 1", "[route]\nname='r'", "route = []", "[[route", "[[routes]]\nname='r'"])
def test_a_file_without_routes_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidRouteError, match=r"^routes\.toml: "):
        parse(text)


def test_two_routes_of_one_name_are_refused() -> None:
    table = "[[route]]\nname='r'\nmatch='*'\ndestination='s3://lake/{key}'\n"
    with pytest.raises(InvalidRouteError, match="two routes are named 'r'"):
        parse(table * 2)


def test_sizes_have_units() -> None:
    assert [one(max_bytes=size).max_bytes for size in (5, "5", "2 KiB", "3MB")[::2]] == [5, 2048]
    assert one(max_bytes="3MB").max_bytes == 3_000_000


@pytest.mark.parametrize(
    "destination",
    ["s3://drops/{key}", "s3://{source_bucket}/{stem}", "s3://drops/out/{name}", "s3://{bucket}/x/{key}"],
)
def test_a_destination_that_could_trigger_a_route_is_refused(destination: str) -> None:
    with pytest.raises(DestinationLoopError, match="route 'r': destination"):
        one(destination=destination)


def test_the_source_bucket_is_a_fine_destination_under_a_prefix_no_route_takes() -> None:
    assert one(match="in/*.gz", destination="s3://drops/out/{base}")


def test_a_loop_is_refused_again_when_the_key_is_known() -> None:
    route = one(match="in/*.gz", destination="s3://drops/out/{base}")
    routes = Routes((route,), "drops")
    routes.refuse_loop(route, source(), Target("drops", "out/in"))
    routes.refuse_loop(route, source(), Target("lake", "in/a.gz"))
    with pytest.raises(DestinationLoopError, match="would match route 'r' again"):
        routes.refuse_loop(route, source(), Target("drops", "in/a.gz"))


def test_a_change_of_any_field_is_another_route() -> None:
    digests = {one().digest, one(max_ratio=7).digest, one(name="s").digest, one(destination="s3://lake/{key}").digest}
    assert len(digests) == 4


patterns = st.text(alphabet="ab*?/", max_size=8)


@given(patterns, patterns, st.text(alphabet="ab/", max_size=6))
def test_patterns_that_share_a_text_overlap(one_: str, other: str, text: str) -> None:
    if fnmatchcase(text, one_) and fnmatchcase(text, other):
        assert overlap(one_, other)


@given(st.text(alphabet="ab", max_size=6), patterns)
def test_overlap_with_a_literal_is_a_match(literal: str, pattern: str) -> None:
    assert overlap(literal, pattern) == fnmatchcase(literal, pattern)


def test_long_patterns_are_compared_without_recursion() -> None:
    assert overlap("a*" * 600, "*a" * 600)
