"""What becomes of objects after their jobs: how routes say it, and which keys no route takes then."""

from __future__ import annotations

import pytest

from penstock.errors import InvalidRouteError
from penstock.model.after import After, AfterAction, AfterKind, AfterLevel
from penstock.model.job import Job
from penstock.model.object import Location, Source
from penstock.routes import Routes, destination_of, parse_routes
from penstock.routes.after_actions import refuse_actions

STACK = {"source_bucket": "drops", "destination_bucket": "out"}
MOVES = '{ success = "move:done/", failure = "move:quarantine/" }'


def routes(after: str = MOVES, *, more: str = "", bucket: str = "*", match: str = "*.csv") -> Routes:
    after = f"after = {after}" if after else ""
    text = f"""
[[route]]
name = "rows"
match = "{match}"
source_bucket = "{bucket}"
destination = "s3://{{destination_bucket}}/{{key}}"
{after}
{more}
"""
    return parse_routes(text, "routes.toml", STACK)


def test_actions_are_read_and_say_what_they_need() -> None:
    (route,) = routes('{ success = "delete:permanent", failure = "move:bad/files/" }').routes
    assert route.after == After("delete:permanent", "move:bad/files/")
    assert route.after.action("succeeded") == AfterAction(AfterKind.DELETE_PERMANENTLY)
    assert route.after.action("failed") == AfterAction(AfterKind.MOVE, "bad/files/")
    assert route.after.action("superseded") is None
    assert [action.level for action in route.after.actions] == [AfterLevel.DELETE, AfterLevel.MOVE]
    assert [action.text for action in route.after.actions] == ["delete:permanent", "move:bad/files/"]
    assert routes("").routes[0].after is None


@pytest.mark.parametrize(
    ("after", "problem"),
    [
        ('{ success = "remove" }', "after.success: must be .*'remove'"),
        ('{ success = "move" }', "after.success: must be .*'move'"),
        ('{ success = "move:" }', "after.success: must move to a prefix"),
        ('{ success = "move:done" }', "after.success: must move to a prefix"),
        ('{ success = "move:/done/" }', "after.success: must move to a prefix"),
        ('{ success = "move:a//b/" }', "after.success: must move to a prefix"),
        ('{ success = "move:../" }', "after.success: must move to a prefix of plain names"),
        ('{ success = "move:a\\u0000/" }', "after.success: must move to a prefix of plain names"),
        (f'{{ success = "move:{"a" * 512}/" }}', "after.success: the prefix has 513 bytes"),
        ('{ failure = "delete" }', "after.failure: .* not delivered is not deleted"),
        ('{ failure = "delete:permanent" }', "after.failure: .* not delivered is not deleted"),
        ("{ failure = 1 }", "after.failure: must be a non-empty string"),
        ("{}", "after: names no action"),
        ('{ succes = "tag" }', "after.succes: is not a field of an after table; did you mean 'success'"),
        ('"tag"', "after: must be a table"),
    ],
)
def test_what_is_no_action_is_refused_by_name(after: str, problem: str) -> None:
    with pytest.raises(InvalidRouteError, match=rf"routes.toml: route 'rows': {problem}"):
        routes(after)


def test_no_route_takes_what_was_moved_and_a_star_crosses_slashes() -> None:
    found = routes()
    assert found.find("drops", "in/a.csv")
    assert found.find("drops", "done/in/a.csv") is None
    assert found.find("drops", "quarantine/a.csv") is None
    assert found.find("drops", "donefile.csv")
    assert found.is_moved("drops", "done/in/a.csv")
    assert not found.is_moved("drops", "in/done/a.csv")


def test_keys_of_other_buckets_are_not_excluded() -> None:
    other = '[[route]]\nname = "other"\nmatch = "*"\ndestination = "s3://out/{key}"'
    found = routes(bucket="drops-eu", more=other)
    taken = found.find("drops-us", "done/a.csv")
    assert taken
    assert taken.name == "other"
    assert found.find("drops-eu", "done/a.csv") is None


def test_a_route_to_which_objects_move_is_refused() -> None:
    with pytest.raises(InvalidRouteError, match=r"route 'rows': match: gets no key: .* moves objects to 'done/'"):
        routes(match="done/*.csv")
    signs = '{ success = "move:[a]*/" }'
    with pytest.raises(InvalidRouteError, match="gets no key"):
        routes(signs, match="[[]a][*]/x")
    assert routes(signs, match="a/x").routes


def test_only_members_have_no_object() -> None:
    archives = '[[route]]\nname = "archives"\nmatch = "*.zip"\narchive = "members"'
    members = f"""
[[route]]
name = "members"
match = "*.zip/*"
destination = "s3://{{destination_bucket}}/{{archive}}/{{member}}"
after = {MOVES}
{archives}
"""
    with pytest.raises(InvalidRouteError, match="route 'members': after: acts on objects"):
        parse_routes(members, "routes.toml", STACK)
    assert parse_routes(f"{archives}\nafter = {MOVES}", "routes.toml", STACK).routes[0].after


@pytest.mark.parametrize(
    ("level", "allowed"), [("none", []), ("tag", ["tag"]), ("move", ["tag", "move:a/"]), ("delete", ["tag", "move:a/"])]
)
def test_a_level_allows_what_the_ones_before_it_allow(level: str, allowed: list[str]) -> None:
    for text in ("tag", "move:a/", "delete", "delete:permanent"):
        assert AfterLevel(level).allows(AfterAction.of(text)) == (text in allowed or level == "delete")


def test_what_a_stack_does_not_allow_is_refused_with_the_way_out() -> None:
    refuse_actions(routes().routes, AfterLevel.MOVE, "routes.toml")
    with pytest.raises(
        InvalidRouteError, match=r"route 'rows': after: .*'move:done/'.* AfterActions is tag"
    ) as refused:
        refuse_actions(routes().routes, AfterLevel.TAG, "routes.toml")
    assert refused.value.hint == "Deploy the stack with AfterActions=move."


def test_neither_after_nor_a_move_changes_a_job() -> None:
    (plain,), (acting,) = routes("").routes, routes().routes
    source = Source("drops", "in/a.csv", 1, "e1", sequencer="01", event_time="2026-11-01T00:00:00Z")
    moved = Source(
        **{
            **{n: getattr(source, n) for n in ("bucket", "key", "size", "etag", "sequencer", "event_time")},
            "moved": Location("done/in/a.csv", "e2"),
        }
    )
    jobs = [Job(one, route, destination_of(route, one)) for one in (source, moved) for route in (plain, acting)]
    assert len({job.id for job in jobs}) == 1
    assert len({str(job.target) for job in jobs}) == 1
    assert (moved.stored.key, moved.stored.etag, moved.pinned(2, "e2").etag) == ("done/in/a.csv", "e2", "e1")
    assert (source.stored, source.pinned(2, "e2").etag) == (source, "e2")


@pytest.mark.parametrize(
    ("destination", "is_refused"),
    [
        ("s3://drops/done/{key}", True),
        ("s3://{source_bucket}/quarantine/a/{name}", True),
        ("s3://drops/done.old/{key}.txt", False),
        ("s3://out/done/{key}", False),
    ],
)
def test_no_route_writes_to_where_objects_move(destination: str, is_refused: bool) -> None:
    more = f'[[route]]\nname = "copy"\nmatch = "in/*.gz"\ndestination = "{destination}"\n'
    if is_refused:
        with pytest.raises(
            InvalidRouteError, match=r"route 'copy': destination: is below .*route 'rows' moves objects"
        ):
            routes(more=more)
    else:
        assert [route.name for route in routes(more=more).routes] == ["rows", "copy"]
