"""Routes of a stack with several buckets: names, loops, and what the stack may not use."""

from __future__ import annotations

import pytest

from penstock.errors import (
    AccessDeniedError,
    DestinationLoopError,
    InvalidRouteError,
    RequestRefusedError,
)
from penstock.model.object import Source, Target
from penstock.routes import Routes, StackBuckets, parse_routes
from penstock.routes.stack_buckets import meaning, refuse_unlisted_destinations, unheard
from penstock.wiring.routes import packaged_routes

BUCKETS = StackBuckets(("drops", "orders", "clicks"), ("lake", "mart"))
NAMES = {"source_bucket": "drops", "destination_bucket": "lake", "work_bucket": "work", "records_table": "records"}


def route(destination: str, match: str = "*", name: str = "r", source_bucket: str = "*") -> str:
    lines = (f"name = {name!r}", f"match = {match!r}", f"destination = {destination!r}")
    return "\n".join(("[[route]]", *lines, f"source_bucket = {source_bucket!r}", ""))


def parse(*texts: str, buckets: StackBuckets = BUCKETS, names: dict[str, str] = NAMES) -> Routes:
    return parse_routes("\n".join(texts), "routes.toml", names, buckets)


@pytest.mark.parametrize(
    ("own", "listed", "expected"),
    [
        ("own", ("own",), "own"),
        ("own", ("own", "lake"), "own"),
        ("", ("lake",), "lake"),
        ("", ("lake", "mart"), ""),
        ("", (), ""),
    ],
)
def test_a_name_stands_for_the_stacks_own_bucket_or_for_the_only_one(
    own: str, listed: tuple[str, ...], expected: str
) -> None:
    assert meaning(own, listed) == expected


@pytest.mark.parametrize("name", ["source_bucket", "destination_bucket"])
def test_a_name_that_stands_for_no_bucket_is_refused(name: str) -> None:
    names = {**NAMES, "source_bucket": "", "destination_bucket": ""}
    with pytest.raises(InvalidRouteError, match=rf"route 'r': destination: {{{name}}} stands for no bucket"):
        parse(route(f"s3://{{{name}}}/out/{{key}}", match="in/*"), names=names)
    assert parse(route("s3://mart/{key}"), names=names).source_bucket == "drops"


def test_the_packaged_routes_need_one_destination_bucket() -> None:
    packaged = packaged_routes().read_text()
    assert parse(packaged).find("orders", "a.gz")
    with pytest.raises(InvalidRouteError, match=r"{destination_bucket} stands for no bucket"):
        parse(packaged, names={**NAMES, "destination_bucket": ""})


@pytest.mark.parametrize("source", ["drops", "orders", "clicks"])
def test_a_destination_that_is_any_source_bucket_and_would_be_routed_again_is_refused(source: str) -> None:
    with pytest.raises(DestinationLoopError, match=f"could be written to the source bucket {source}"):
        parse(route(f"s3://{source}/{{key}}"))


def test_a_destination_in_a_source_bucket_is_fine_if_no_route_takes_it_there() -> None:
    assert parse(route("s3://orders/{key}", source_bucket="drops"))
    assert parse(route("s3://orders/done/{name}", match="in/*"))
    with pytest.raises(DestinationLoopError, match=r"route 'there'.*matches route 'back' again"):
        parse(
            route("s3://orders/{key}", name="there", source_bucket="drops"),
            route("s3://clicks/{key}", name="back", source_bucket="orders"),
        )


def test_a_loop_that_only_the_key_shows_is_refused_at_run_time() -> None:
    """The bucket of an event need not be one that the stack lists."""
    routes = parse(route("s3://lake/{key}"))
    source = Source("elsewhere", "a", 1, "e")
    with pytest.raises(DestinationLoopError):
        routes.refuse_loop(routes.routes[0], source, Target("clicks", "a"))
    routes.refuse_loop(routes.routes[0], source, Target("mart", "a"))


@pytest.mark.parametrize("destination", ["s3://lake/{key}", "s3://mart/{key}", "s3://{destination_bucket}/{key}"])
def test_any_destination_bucket_of_the_stack_is_accepted(destination: str) -> None:
    routes = parse(route(destination))
    refuse_unlisted_destinations(routes.routes, routes.buckets, "routes.toml")


def test_a_bucket_that_depends_on_the_source_is_accepted_if_it_may_be_one_of_the_stack() -> None:
    buckets = StackBuckets(("orders", "clicks"), ("orders-out",))
    refuse_unlisted_destinations(parse(route("s3://{bucket}-out/{key}")).routes, buckets, "routes.toml")
    with pytest.raises(InvalidRouteError, match=r"may not write to the bucket {bucket}-results"):
        refuse_unlisted_destinations(parse(route("s3://{bucket}-results/{key}")).routes, buckets, "routes.toml")


def test_a_destination_bucket_outside_the_stack_is_refused_with_the_remedy() -> None:
    with pytest.raises(InvalidRouteError, match=r"routes.toml: route 'r': destination: .* the bucket attic") as caught:
        refuse_unlisted_destinations(parse(route("s3://attic/{key}")).routes, BUCKETS, "routes.toml")
    assert caught.value.hint == "Add attic to the parameter DestinationBucketNames of the stack, and deploy it."


def test_without_a_stack_every_bucket_is_accepted() -> None:
    routes = parse(route("s3://attic/{key}"), buckets=StackBuckets())
    refuse_unlisted_destinations(routes.routes, routes.buckets, "routes.toml")
    assert not list(unheard(routes.routes, routes.buckets))


def test_a_route_for_a_bucket_that_the_stack_does_not_hear_is_found() -> None:
    routes = parse(
        route("s3://lake/{key}", name="all"),
        route("s3://lake/{key}", name="some", source_bucket="ord*"),
        route("s3://lake/{key}", name="none", source_bucket="invoices"),
    )
    assert [found.name for found in unheard(routes.routes, BUCKETS)] == ["none"]


@pytest.mark.parametrize(
    ("source", "target", "hint"),
    [
        (
            "invoices",
            Target("lake", "a"),
            "Add invoices to the parameter SourceBucketNames of the stack, and deploy it.",
        ),
        (
            "orders",
            Target("attic", "a"),
            "Add attic to the parameter DestinationBucketNames of the stack, and deploy it.",
        ),
        ("invoices", None, "Add invoices to the parameter SourceBucketNames of the stack, and deploy it."),
    ],
)
def test_a_refusal_names_the_parameter_that_lacks_the_bucket(source: str, target: Target | None, hint: str) -> None:
    error = AccessDeniedError("s3:GetObject on s3://b/k")
    BUCKETS.add_remedies(error, source, [target] if target else [])
    assert error.hint == hint


def test_other_errors_and_buckets_of_the_stack_keep_their_hint() -> None:
    for error, source in ((AccessDeniedError("s3:GetObject"), "orders"), (RequestRefusedError("no"), "invoices")):
        before = error.hint
        BUCKETS.add_remedies(error, source, [Target("lake", "a")])
        assert error.hint == before
