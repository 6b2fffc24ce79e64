"""``from = "$key"`` and ``key_pattern`` in routes: what is accepted, and what is refused when routes are read."""

from __future__ import annotations

import re
import time

import pytest

from penstock.errors import InvalidRouteError
from penstock.model.column import Column
from penstock.model.source_values import OF_RECORD, OF_SOURCE
from penstock.model.table import TablePlan
from penstock.routes import parse_routes

PARTNER = r"(?P<partner>[a-z]+)_(?P<day>\d{8})"


def plan(*columns: str, pattern: str = "", more: str = "") -> TablePlan:
    listed = ", ".join(f"{{ {column} }}" for column in columns)
    text = f"""
    [[route]]
    name = "r"
    match = "*"
    destination = "postgresql:t"
    {f"key_pattern = '{pattern}'" if pattern else ""}
    {more}
    [route.table]
    columns = [{listed}]
    """
    read = parse_routes(text, "routes.toml", {"source_bucket": "drops"}).routes[0].plan
    assert read
    return read


def column(text: str, pattern: str = "") -> Column:
    (table,) = plan(f'name = "c", {text}', pattern=pattern).tables
    return table.columns[0]


@pytest.mark.parametrize("name", [*OF_SOURCE, *OF_RECORD])
def test_a_column_may_hold_a_value_of_the_source(name: str) -> None:
    read = column(f'from = "${name}"')
    assert (read.metadata, read.source, read.nulls) == (name, "", ())


def test_a_column_may_hold_a_group_of_the_key_with_type_and_format() -> None:
    read = column('from = "$key.day", type = "date", format = "%Y%m%d"', PARTNER)
    assert (read.metadata, read.formats) == ("key.day", ("%Y%m%d",))


@pytest.mark.parametrize(("written", "field"), [("$$key", "$key"), ("$$key.x", "$key.x"), ("$$oid", "$oid")])
def test_a_doubled_sign_begins_the_name_of_a_field(written: str, field: str) -> None:
    read = column(f'from = "{written}"')
    assert (read.source, read.metadata) == (field, "")


@pytest.mark.parametrize(
    ("text", "pattern", "message"),
    [
        ('from = "$keys"', "", "from: '$keys' is no value of the source; did you mean '$key'?; known are $key,"),
        ('from = "$Row"', "", "did you mean '$row'?"),
        ('from = "$oid"', PARTNER, "$sheet, $key.partner, $key.day; a field of this name is written '$$oid'"),
        ('from = "$key.day"', "", "needs the route's key_pattern; a field of this name is written '$$key.day'"),
        ('from = "$key.Day"', PARTNER, "key_pattern has no group 'Day'; did you mean 'day'? It has partner, day"),
        ('from = "$key.x"', PARTNER, "key_pattern has no group 'x'; it has partner, day"),
        ('from = "$key"', PARTNER, 'no column takes a group of it: from = "$key.NAME"'),
        ('from = "$row", type = "date"', "", "type: $row is integer, numeric, float or text, not date"),
        ('from = "$loaded_at", type = "integer"', "", "type: $loaded_at is timestamp or text, not integer"),
        ('from = "$loaded_at", type = "timestamp", format = "%Y"', "", "format: is not for $loaded_at"),
        ('from = "$key.a"', "(?P<a>", "is no regular expression"),
        ('from = "$key.a"', "a+", "has no named group, such as (?P<partner>[a-z]+)"),
        ('from = "$key.a"', "(?P<a>(x+)+)y", "has a repeat within a repeat"),
        ('from = "$key.a"', "(?P<a>(x|xx)*)y", "has alternatives within a repeat"),
        ('from = "$key.a"', r"(?P<a>.)\1", "has a reference to a group"),
        ('from = "$key.a"', "(?=x)(?P<a>.)", "has a lookahead"),
        ('from = "$key.a"', "(?i)(?P<a>.)", "has flags, (?i): write [Aa]"),
        ('from = "$key.a"', "(?P<a>(x?y)+)", "has a repeat within a repeat"),
        ('from = "$key.a"', "(?P<a>.*)x.*x.*", "too many repeats that can share a text"),
        ('from = "$key.a"', "(?P<a>" + "x?" * 30 + ")", "too many repeats"),
        ('from = "$key.a"', "(?P<a>" + "x" * 1000 + ")", "has 1,007 characters; the maximum is 1,000"),
    ],
)
def test_what_cannot_hold_is_refused_by_field(text: str, pattern: str, message: str) -> None:
    with pytest.raises(InvalidRouteError, match=re.escape(message)):
        column(text, pattern)


def test_a_key_pattern_is_for_tables() -> None:
    text = '[[route]]\nname = "r"\nmatch = "*"\ndestination = "s3://out/{key}"\nkey_pattern = "(?P<a>.)"'
    with pytest.raises(InvalidRouteError, match="key_pattern: is not a field of a route"):
        parse_routes(text, "routes.toml", {"source_bucket": "drops"})


@pytest.mark.parametrize(
    ("pattern", "key"),
    [
        (PARTNER, "a" * 1024),
        (r"^in/(?P<a>[^/]+)/(?P<b>[^/]+)/(?P<c>[^/]+)/(?P<d>[^/_]+)_(?P<e>\d{8})\.csv(?:\.gz)?$", "in/" + "a/" * 510),
        (r"^(?P<dir>.*)/(?P<name>.*)_(?P<day>\d{8})", "/_" * 512),
        (r"^in(?:/(?P<a>[^/]+))?/(?P<b>[^/]+)\.csv(?:\.gz)?$", "in/" + "a/" * 510),
        (r"^(?:in|out)/(?P<a>\w+?)-(?P<b>[A-Z]{2,3})", "in/" + "-" * 1000),
        (r"(?P<a>[a-z]+)_(?P<d>\d{8})(?:_(?P<v>\d+))?\.csv$", "a_" + "1_" * 511),
        (r"(?P<a>[a-z]+)(?:_(?P<v>\d+))?", "a" * 1024),
        (r"^(?P<a>.*).*(?:_(?P<v>\d+))?", "_1" * 512),
        (r"^(?P<a>.*).*(?:_(?P<v>(?:ab){200,}))", "_" + "ab" * 199 + "-_" * 300),
    ],
)
def test_an_accepted_pattern_takes_no_longer_than_seconds_on_any_key(pattern: str, key: str) -> None:
    name = re.findall(r"\?P<(\w+)>", pattern)[0]
    column(f'from = "$key.{name}"', pattern)
    began = time.process_time()
    re.search(pattern, key)
    assert time.process_time() - began < 2.0


@pytest.mark.parametrize("pattern", [r"(?P<a>.+)(?:_(?P<v>\d+))?\.csv$", r"^(?P<a>.*).*(?:1(?P<v>\d+))?_"])
def test_an_optional_group_that_shares_a_text_with_others_may_take_too_long(pattern: str) -> None:
    with pytest.raises(InvalidRouteError, match="too many repeats that can share a text"):
        plan('name = "c", from = "$key.v"', pattern=pattern)
