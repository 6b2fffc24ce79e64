"""The part of routes.toml that speaks of tables."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from penstock.errors import InvalidRouteError
from penstock.model.column import ColumnType
from penstock.model.object import Source
from penstock.model.parse_options import Format
from penstock.model.route import Route, TableTarget
from penstock.model.table import Mode, TablePlan
from penstock.routes import destination_of, parse_routes

STACK = {"source_bucket": "drops", "destination_bucket": "lake", "work_bucket": "work", "records_table": "records-1"}
EXAMPLES = Path(__file__).parents[2] / "examples"


def one(body: str, destination: str = "postgresql:public.orders") -> Route:
    head = f"[[route]]\nname = 'r'\nmatch = '*.csv.gz'\ndestination = '{destination}'\n"
    return parse_routes(head + body, "routes.toml", STACK).routes[0]


def plan(body: str, destination: str = "postgresql:public.orders") -> TablePlan:
    route = one(body, destination)
    assert route.plan
    return route.plan


def test_a_table_needs_nothing_but_its_name() -> None:
    route = one("")
    assert route.store == "postgresql"
    assert route.plan
    assert route.plan.table
    assert (route.plan.table.name, route.plan.table.mode, route.plan.table.columns) == (
        "public.orders",
        Mode.APPEND,
        (),
    )
    assert route.plan.parse.format is Format.AUTO
    assert route.plan.max_rejects == 0


def test_the_target_is_the_table() -> None:
    assert destination_of(one(""), Source("drops", "a.csv.gz", 1, "e")) == TableTarget("postgresql", "public.orders")


def test_the_stack_s_own_dynamodb_table_has_a_name() -> None:
    route = one("", "dynamodb:{records_table}")
    assert route.plan
    assert route.plan.table
    assert (route.store, route.plan.table.name, route.plan.table.mode) == ("dynamodb", "records-1", Mode.UPSERT)


def test_columns_are_typed_renamed_and_formatted() -> None:
    table = plan(
        """
        [route.table]
        mode = "upsert"
        key = "id"
        create = true
        nulls = ["", "NA"]
        columns = [
            { name = "id", type = "integer", from = "Order ID", nullable = false },
            { name = "day", type = "date", format = "%d/%m/%Y", nulls = [] },
        ]
        """
    ).table
    assert table
    first, second = table.columns
    assert (table.mode, table.key, table.create) == (Mode.UPSERT, ("id",), True)
    assert (first.type, first.source, first.nullable, first.nulls) == (
        ColumnType.INTEGER,
        "Order ID",
        False,
        ("", "NA"),
    )
    assert (second.formats, second.nulls) == (("%d/%m/%Y",), ())


def test_parsing_has_options() -> None:
    options = plan(
        "[route.parse]\nformat='csv'\ndelimiter=';'\nencoding='cp1252'\nheader=false\ncolumns=['a','b']"
    ).parse
    assert (options.format, options.delimiter, options.encoding) == (Format.CSV, ";", "cp1252")
    assert (options.header, options.columns) == (False, ("a", "b"))


def test_fixed_width_fields_have_options() -> None:
    options = plan(
        "[route.parse]\nformat='fixed'\nfields=['a 1-3','b +4']\nunits='bytes'\nrecord_prefix='02'\n"
        "line_length='exact'\ntrim='both'"
    ).parse
    assert (options.fields, options.units, options.record_prefix) == (("a 1-3", "b +4"), "bytes", "02")
    assert (options.line_length, options.trim) == ("exact", "both")


def test_xml_has_options_and_paths() -> None:
    read = plan(
        """
        [route.parse]
        record = "/a:orders/order"
        namespaces = { a = "urn:a" }
        repeated = ["line"]
        [route.table]
        columns = [{ name = "id", from = "@id" }, { name = "city", from = "customer/city.name" }, { name = "day" }]
        """
    )
    options = read.parse
    assert (options.record, options.namespaces, options.repeated) == ("/a:orders/order", ("a=urn:a",), ("line",))
    assert read.table
    assert [column.keys for column in read.table.columns] == [("@id",), ("customer", "city.name"), ()]


@pytest.mark.parametrize(("text", "limit"), [("7", 7.0), ("'1%'", 0.01), ("0.5", 0.5), ("'0.5 %'", 0.005)])
def test_rejects_are_allowed_by_count_or_share(text: str, limit: float) -> None:
    assert plan(f"max_rejects = {text}").max_rejects == pytest.approx(limit)


def test_a_choice_names_a_table_for_every_type() -> None:
    choice = plan(
        """
        [route.choice]
        field = "type"
        payload = "data"
        unknown = "ignore"
        [route.choice.tables.song]
        name = "songs"
        [route.choice.tables.movie]
        name = "movies"
        columns = [{ name = "title" }]
        """,
        "postgresql",
    ).choice
    assert choice
    assert (choice.field, choice.payload, choice.ignore_unknown) == ("type", "data", True)
    assert {value: table.name for value, table in choice.tables.items()} == {"song": "songs", "movie": "movies"}


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*/routes.toml")), ids=lambda path: path.parent.name)
def test_the_example_routes_are_valid(path: Path) -> None:
    assert parse_routes(path.read_text(), str(path), STACK).routes


@pytest.mark.parametrize(
    ("body", "destination", "complaint"),
    [
        ("", "postgresql", "destination: names no table"),
        ("", "mysql:t", "destination: must look like"),
        ("", "postgresql:{key}", "destination: unknown field {key}"),
        ("max_rejects = -1", "", "max_rejects: must be a count or a share"),
        (f"max_rejects = 1{'0' * 400}", "", "max_rejects: must be at most 9,007,199,254,740,992, not 1000"),
        (f"max_rejects = '{'9' * 5000}%'", "", "max_rejects: must be a count or a share"),
        ("max_rejects = inf", "", "max_rejects: must be a count or a share"),
        ("max_rejects = nan", "", "max_rejects: must be a count or a share"),
        (f"max_ratio = 1{'0' * 400}", "", "max_ratio: must be a number of at least 1, and at most"),
        ("max_ratio = inf", "", "max_ratio: must be a number of at least 1, and at most"),
        (f"max_bytes = '{'9' * 5000} TiB'", "", "max_bytes: must be bytes or a size"),
        (f"max_bytes = 1{'0' * 400}", "", "max_bytes: must be bytes or a size"),
        ("max_rejects = '100%'", "", "max_rejects: must be a count or a share below 100 %, such as \"1%\", not '100%'"),
        ("[route.parse]\nformat='orc'", "", "parse.format: must be one of auto, csv"),
        ("[route.parse]\ndelimiter=';;'", "", "parse.delimiter: must be one character"),
        ("[route.parse]\nencoding='klingon'", "", "parse.encoding: unknown encoding 'klingon'. Choose"),
        ("[route.parse]\nencoding='base64'", "", "parse.encoding: unknown encoding 'base64'"),
        ("[route.parse]\nencoding='iso2022_jp'", "", "parse.encoding: in 'iso2022_jp' a character depends on those"),
        ("[route.parse]\nheader=false", "", "parse.columns: are required"),
        ("[route.parse]\nformat='fixed'", "", "parse.fields: are required: names and positions"),
        ("[route.parse]\nformat='fixed'\nfields=['a 3-1']", "", "parse.fields: 'a 3-1' holds no position"),
        ("[route.parse]\nformat='csv'\nfields='a 1-3'", "", 'parse.fields: is for format = "fixed"'),
        ("[route.parse]\nformat='xml'", "", "parse.record: must be the path from the root to the records"),
        ("[route.parse]\nrecord='order'", "", "parse.record: must be the path from the root to the records"),
        ("[route.parse]\nrecord='/a//b'", "", "parse.record: must be the path from the root to the records"),
        ("[route.parse]\nrecord='/a/@b'", "", "parse.record: must be the path from the root to the records"),
        ("[route.parse]\nformat='json'\nrecord='/a'", "", 'parse.record: is for format = "xml"'),
        ("[route.parse]\nrecord='/a'\nnamespaces={'a b'='urn:a'}", "", "parse.namespaces: 'a b' cannot be a prefix"),
        (
            "[route.parse]\nrecord='/b:a'",
            "",
            "parse.record: '/b:a' has the prefix 'b', which",
        ),
        ("[route.parse]\nrecord='/a'\nrepeated='b:c'", "", "parse.repeated: 'b:c' has the prefix 'b'"),
        (
            "[route.parse]\nrecord='/a'\nnamespaces={c='u'}\n[route.table]\ncolumns=[{name='x',from='c:d/@b:e'}]",
            "",
            "columns: 'c:d/@b:e' has the prefix 'b'",
        ),
        ("[route.parse]\nrecord='/a'\nnamespaces={a=1}", "", "parse.namespaces.a: must be a non-empty string"),
        ("[route.parse]\ntrim='both'", "", 'parse.trim: is for format = "fixed"'),
        ("[route.parse]\nfields='a 1'\nrecord_prefix=' '", "", "parse.record_prefix: must be the start of a line"),
        ("[route.parse]\nfields='a 1'\nrecord_prefix='€'\nencoding='ascii'", "", "parse.record_prefix: '€' cannot be"),
        ("[route.parse]\nquoting='all'", "", "parse.quoting: must be one of standard, none"),
        ("[route.parse]\nquoting='none'\nquote='|'", "", 'parse.quote: means nothing with quoting = "none"'),
        ("[route.parse]\nescape='#'\ncomment='#'", "", "parse.comment: must be an ASCII character other than"),
        ("[route.parse]\ncomment='//'", "", "parse.comment: must be one character"),
        ("[route.parse]\nformat='jsonl'\ncomment='#'", "", 'parse.comment: is for format = "csv"'),
        ("[route.parse]\nskip_footer=-1", "", "parse.skip_footer: must be a whole number from 0 to 10,000"),
        ("[route.parse]\nskip_footer=1\nfooter='^T'", "", "parse.footer: cannot be used with skip_footer"),
        ("[route.parse]\nfooter='('", "", "parse.footer: must be a regular expression"),
        ("[route.parse]\nfooter='T?'", "", "parse.footer: must not match an empty line"),
        (
            "[route.parse]\nfooter='^(T+,?)+$'",
            "",
            "parse.footer: has a repeat within a repeat, which may take very long",
        ),
        ("[route.parse]\nfooter='.*Total$'", "", "parse.footer: begins with a repeat of any character, which may take"),
        ("[route.parse]\nfooter='^(T|TT)*$'", "", "parse.footer: has alternatives within a repeat, which may take"),
        ("[route.parse]\nquote=','", "", "parse.quote: must differ from the delimiter"),
        ("[route.parse]\ndelimiter='\"'", "", "parse.delimiter: must differ from the quote"),
        ("[route.parse]\ndelimiter='§'\ncomment='#'", "", "parse.comment: needs a delimiter of one byte, and '§'"),
        ("[route.parse]\nquote='§'\nfooter='^T'", "", "parse.footer: needs a quote of one byte, and '§' has more"),
        ("[route.parse]\ndelimiter='§'\nencoding='ascii'", "", "parse.delimiter: '§' does not exist in ascii"),
        ("[route.parse]\nfields='a 1'\nunits='bytes'\nencoding='utf_16'", "", "parse.units: bytes are no positions in"),
        ("[route.parse]\nrecord='/a'\nnamespaces={p='u',q='u'}", "", "parse.namespaces: give two prefixes to 'u'"),
        ("[route.parse]\nfooter='(?P<n>T)'", "", "parse.footer: can have the group \"rows\", not 'n'"),
        ("[route.parse]\nextra='drop'", "", "parse.extra: must be one of reject, ignore"),
        (
            "[route.parse]\nsep=','",
            "",
            "parse.sep: is not a field of a parse table; known are columns, comment, ",
        ),
        ("[route.table]\nmode='merge'", "", "table.mode: must be one of append"),
        ("[route.table]\nmode='upsert'", "", "table.key: is needed to upsert"),
        ("[route.table]\ncolumns=[{name='a'},{name='a'}]", "", "table.columns: contain 'a' twice"),
        ("[route.table]\ncolumns=[{type='text'}]", "", "table.columns[0].name: is missing"),
        ("[route.table]\ncolumns=[{name='a',type='int'}]", "", "table.columns[0].type: must be one of text"),
        ("[route.table]\nkey=['b']\ncolumns=[{name='a'}]", "", "table.key: 'b' is not one of the columns"),
        ("[route.table]\nevolve='grow'", "", "table.evolve: must be one of fail, ignore, add, widen"),
        ("[route.table]\nevolve='add'", "dynamodb:t", 'table.evolve: "add" is not needed for dynamodb: an item takes'),
        ("[route.table]\nevolve='widen'", "dynamodb:t", 'table.evolve: "widen" is not possible for dynamodb'),
        ("[route.table]\nrescue_values=true", "", "table.rescue_values: needs the column that keeps the values"),
        ("[route.table]\nrescue='r'\nevolve='fail'", "", 'table.rescue: keeps the fields that evolve = "fail" refuses'),
        (
            "[route.table]\nrescue='r'\nrescue_values=true\nevolve='widen'",
            "",
            'table.rescue_values: keeps the values that evolve = "widen" makes room for',
        ),
        (
            "[route.table]\nrescue='a'\nkey='a'\ncolumns=[{name='a',type='json'}]",
            "",
            "table.rescue: 'a' is a column of the key",
        ),
        (
            "[route.table]\nrescue='a'\ncolumns=[{name='a',type='date'}]",
            "",
            "table.rescue: column 'a' must be json or text",
        ),
        ("[route.table]\ncreate='yes'", "", "table.create: must be true or false"),
        ("[route.table]\nmode='append'", "dynamodb:t", "table.mode: must be upsert for dynamodb"),
        ("[route.choice]\nfield='type'", "postgresql", "choice.tables: names no table"),
        ("[route.choice]\nfield='type'\n[route.choice.tables.x]\nname='t'", "", "choice: already names the tables"),
    ],
)
def test_a_bad_field_is_refused_by_its_path(body: str, destination: str, complaint: str) -> None:
    with pytest.raises(InvalidRouteError, match=re.escape(f"routes.toml: route 'r': {complaint}")):
        one(body, destination or "postgresql:t")


def column(kind: str, *patterns: str) -> str:
    return f"[route.table]\ncolumns = [{{ name = 'd', type = '{kind}', format = {list(patterns)} }}]"


@pytest.mark.parametrize("kind", ["date", "timestamp"])
@pytest.mark.parametrize(
    "pattern",
    [
        "%d/%m/%Y",
        "%m.%d.%y %I:%M %p",
        "%a, %d %b %Y %H:%M:%S %Z",
        "%Y-%m-%dT%H:%M:%S.%f%z",
        "%G-W%V-%u",
        "%Y%j",
        "%Y%%",
    ],
)
def test_a_pattern_that_reads_what_it_writes_is_a_format(kind: str, pattern: str) -> None:
    table = plan(column(kind, pattern)).table
    assert table
    assert table.columns[0].formats == (pattern,)


@pytest.mark.parametrize("pattern", ["%Q", "%-d.%m.%Y", "%Y %Y", " %Y-%m-%d", "%Y-%m-%d ", "%V %Y", "%Y%", "%"])
@pytest.mark.parametrize("kind", ["date", "timestamp"])
def test_a_pattern_that_no_text_can_match_is_refused(kind: str, pattern: str) -> None:
    with pytest.raises(InvalidRouteError, match=r"columns\[0\]\.format: no text can match"):
        plan(column(kind, "%Y-%m-%d", pattern))


@pytest.mark.parametrize("pattern", ["%d.%m.", "%H:%M", "today", "%%Y"])
def test_a_pattern_without_a_year_is_refused_since_1900_is_not_what_was_written(pattern: str) -> None:
    with pytest.raises(InvalidRouteError, match=r"columns\[0\]\.format: .* has no year"):
        plan(column("date", pattern))


@pytest.mark.parametrize("kind", ["text", "integer", "numeric", "float", "boolean", "json"])
def test_a_format_is_refused_where_the_type_takes_none(kind: str) -> None:
    with pytest.raises(InvalidRouteError, match=rf"columns\[0\]\.format: is for date and timestamp, not for {kind}"):
        plan(column(kind, "%Y"))
