"""XML: what a writer writes is read back, wherever the source is cut; what no parser should read is refused."""

from __future__ import annotations

import tomllib
import tracemalloc
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lengths import examples
from parser_checks import (
    BATCHES,
    assert_chunks_do_not_matter,
    assert_every_boundary_can_be_entered,
    chunked,
    parsed,
    rejects_of,
    rows_of,
)
from penstock.errors import (
    BadDocumentError,
    InvalidRouteError,
    PenstockError,
    RecordsMissingError,
    TruncatedSourceError,
)
from penstock.formats import parse
from penstock.formats.boundaries import boundaries_for
from penstock.model.column import Column, ColumnType, Storage
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.table import Choice, Mode, Table, TablePlan
from penstock.model.value_rules import ValueRules
from penstock.routes.columns import read_column
from penstock.routes.fields import Fields
from penstock.routes.xml_paths import with_xml_paths
from penstock.tables import ChunkBuilder
from penstock.tables.absent_fields import split_by_absent_fields
from penstock.tables.literals import elements
from penstock.tables.table_router import TableRouter

XML = ParseOptions(format=Format.XML, record="/r/o")


def record(inside: str, options: ParseOptions = XML, *, root: str = "r") -> object:
    """The only record of a document."""
    (row,) = rows_of(parsed(f"<{root}>{inside}</r>".encode(), options))
    return row


def columns_of(inside: str, *columns: Column) -> tuple[list[list[object]], list[tuple[str, str]]]:
    """The values of columns of one record, and the rejects by column."""
    plan = with_xml_paths(TablePlan(XML, Table("t", columns)))
    (batch,) = parsed(f"<r>{inside}</r>".encode(), XML)
    chunk, rejects = ChunkBuilder(plan).chunk(0, batch)
    values = [[value for (value,) in rows.columns] for rows in chunk.rows]
    return values, [(reject.column, reject.reason) for reject in rejects]


# Values


@pytest.mark.parametrize(
    ("inside", "value"),
    [
        ("<o><a>1</a><b> x </b></o>", {"a": "1", "b": " x "}),
        ('<o id="7" k="&lt;&#65;"/>', {"@id": "7", "@k": "<A"}),
        ("<o>\n  <a/>\n  <b></b>\n</o>", {"a": "", "b": ""}),
        ('<o><p c="EUR">1.50</p></o>', {"p": {"@c": "EUR", "#text": "1.50"}}),
        ('<o><p c="EUR"/></o>', {"p": {"@c": "EUR"}}),
        ("<o><c><n>Ann</n><a><z>1</z></a></c></o>", {"c": {"n": "Ann", "a": {"z": "1"}}}),
        ('<o><l n="1">a</l><l>b</l><l/></o>', {"l": [{"@n": "1", "#text": "a"}, "b", ""]}),
        ("<o><a><![CDATA[<b>&amp;]]> &amp; c</a></o>", {"a": "<b>&amp; & c"}),
        ("<o><p>Hello <b>big</b> world</p></o>", {"p": {"b": "big", "#text": "Hello  world"}}),
        ("<o>text<a>1</a></o>", {"a": "1", "#text": "text"}),
        ("<o>5</o>", {"#text": "5"}),
        ("<o/>", {}),
        ("<o><!-- <o> --><?x <o>?><a>1<!-- x -->2</a></o>", {"a": "12"}),
        ("<o><o>inner</o></o>", {"o": "inner"}),
        ("<x><o>no</o></x><o><a>1</a></o>", {"a": "1"}),
    ],
)
def test_an_element_is_its_text_or_a_mapping(inside: str, value: object) -> None:
    assert record(inside) == value


def test_elements_may_always_be_lists() -> None:
    options = replace(XML, repeated=("l",))
    assert record("<o><l>a</l><c><l>b</l></c></o>", options) == {"l": ["a"], "c": {"l": ["b"]}}


XSI = 'r xmlns:i="http://www.w3.org/2001/XMLSchema-instance"'


def test_an_element_that_is_nil_is_null() -> None:
    inside = (
        '<o i:schemaLocation="x"><a i:nil="true"/><b i:nil="1"><c/></b><d i:nil="false">1</d><e i:type="t">2</e></o>'
    )
    assert record(inside, root=XSI) == {"a": None, "b": None, "d": "1", "e": {"@type": "t", "#text": "2"}}


def test_names_are_local_unless_the_route_gives_a_namespace_a_prefix() -> None:
    root = 'r xmlns="urn:a" xmlns:m="urn:m" xmlns:b="urn:b"'
    inside = '<o b:id="1"><title>A</title><b:note>B</b:note></o>'
    assert record(inside, root=root) == {"@id": "1", "title": "A", "note": "B"}
    prefixed = replace(XML, namespaces=("x=urn:b",))
    assert record(inside, prefixed, root=root) == {"@x:id": "1", "title": "A", "x:note": "B"}
    under = replace(XML, record="/y:r/y:o", namespaces=("y=urn:a",))
    assert record(inside, under, root=root) == {"@id": "1", "y:title": "A", "note": "B"}


@pytest.mark.parametrize("inside", ["<o><t>A</t><m:t>B</m:t></o>", '<o><t a="1" m:a="2"/></o>', '<o a="1" m:a="2"/>'])
def test_one_name_of_two_namespaces_is_rejected_rather_than_mixed(inside: str) -> None:
    data = f'<r xmlns:m="urn:m"><o><t>1</t></o>{inside}<o><m:t>2</m:t></o></r>'.encode()
    batches = parsed(data, XML)
    assert rows_of(batches) == [{"t": "1"}, {"t": "2"}]
    ((row, reason),) = rejects_of(batches)
    assert row == 2
    assert "of two namespaces (none, urn:m): give one a prefix in parse.namespaces" in reason
    assert not rejects_of(parsed(data, replace(XML, namespaces=("m=urn:m",))))


# Columns


def test_columns_take_paths_of_elements() -> None:
    inside = '<o id="7"><c><first.name>Ann</first.name></c><p cur="EUR">1.50</p></o>'
    columns = (
        Column("id", ColumnType.INTEGER, "@id"),
        Column("name", source="c/first.name"),
        Column("price", ColumnType.NUMERIC, "p"),
        Column("currency", source="p/@cur"),
        Column("all", ColumnType.JSON, "p"),
        Column("none", source="c/other/@x"),
    )
    values, rejects = columns_of(inside, *columns)
    assert rejects == []
    assert values == [["7", "Ann", "1.50", "EUR", '{"@cur": "EUR", "#text": "1.50"}', None]]


def test_a_path_through_several_elements_is_rejected_rather_than_guessed() -> None:
    inside = "<o><l><s>A</s></l><l><s>B</s></l></o>"
    _, rejects = columns_of(inside, Column("sku", source="l/s"))
    assert rejects == [("sku", "its path passes an element that the record has several times")]
    values, rejects = columns_of(inside, Column("lines", ColumnType.JSON, "l"))
    assert (values, rejects) == ([['[{"s": "A"}, {"s": "B"}]']], [])


AS_WRITTEN = [
    ("decimal comma", "1.234,50", "type = 'numeric', decimal = ',', thousands = '.'"),
    ("float", "(5 €)", "type = 'float', negative = 'parentheses', currency = '€'"),
    ("percent", "12,5 %", "type = 'numeric', decimal = ',', percent = 'fraction'"),
    ("words", "oui", "type = 'boolean', true = 'oui', false = 'non'"),
    ("no such word", "true", "type = 'boolean', true = 'oui', false = 'non'"),
    ("format", "01.02.2026", "type = 'date', format = '%d.%m.%Y'"),
    ("pivot", "010270", "type = 'date', format = '%d%m%y', pivot = 71"),
    ("zone", "2026-07-01T24:00:00", "type = 'timestamp', timezone = 'Europe/Berlin', end_of_day = true"),
    ("fold", "2024-10-27T02:30", "type = 'timestamp', timezone = 'Europe/Berlin', fold = 'later'"),
    ("epoch", "1706745600123", "type = 'timestamp', format = 'epoch_ms'"),
    ("trim", " ab ", "trim = true, upper = true"),
    ("case", "Ab", "lower = true"),
    ("null", " - ", "trim = true, nulls = ['-']"),
    ("null of numbers", "-", "type = 'integer', nulls = ['-']"),
    ("default", " ", "type = 'integer', trim = true, default = 7"),
    ("empty", "", "default = 'x'"),
    ("hash", " Secret ", "hash = 'sha256', trim = true, lower = true"),
    ("mask", " Secret ", "mask = 'keep:2', trim = true"),
    ("not null", "-", "nulls = ['-'], nullable = false"),
    ("bad", "x", "type = 'integer', decimal = ','"),
]


@pytest.mark.parametrize(("text", "options"), [row[1:] for row in AS_WRITTEN], ids=[row[0] for row in AS_WRITTEN])
@pytest.mark.parametrize("path", ["v", "a/v"])
def test_an_element_with_attributes_is_read_as_its_text(text: str, options: str, path: str) -> None:
    declared = tomllib.loads(f"c = {{ name = 'c', from = '{path}', {options} }}")["c"]
    column = read_column(Fields(declared, "c", "column"), ("",))
    around = "<o>{}</o>" if path == "v" else "<o><a>{}</a></o>"
    bare = columns_of(around.format(f"<v>{text}</v>"), column)
    assert columns_of(around.format(f'<v c="EUR">{text}</v>'), column) == bare


def test_an_array_of_elements_with_attributes_is_one_of_their_texts() -> None:
    nil = 'xmlns:x="http://www.w3.org/2001/XMLSchema-instance" x:nil="true"'
    inside = f'<o><l><v n="1">a "</v><v>b</v><v n="2" {nil}/><v n="3"/></l></o>'
    texts, documents = Column("t", elements=ColumnType.TEXT, source="l/v"), ColumnType.JSON
    assert columns_of(inside, texts) == ([['{"a \\"","b",NULL,""}']], [])
    held = Storage(None, array=True, form="list", parts=(Storage(),))
    assert columns_of(inside, replace(texts, elements=None, storage=held)) == ([['{"a \\"","b",NULL,""}']], [])
    assert columns_of(inside, replace(texts, elements=None, storage=Storage())) == ([['["a \\"", "b", null, ""]']], [])
    values, _ = columns_of('<o><v n="1">a</v><v n="2">b</v></o>', Column("v", elements=documents))
    assert list(elements(str(values[0][0]))) == ['{"@n": "1", "#text": "a"}', '{"@n": "2", "#text": "b"}']


def test_an_element_with_attributes_may_be_null_and_choose_a_table() -> None:
    nil = 'xmlns:x="http://www.w3.org/2001/XMLSchema-instance" x:nil="true"'
    assert columns_of(f'<o><v c="1" {nil}>x</v></o>', Column("v", hash="sha256")) == ([[None]], [])
    choice = Choice("kind", {"a": Table("a", (Column("v"),)), "b": Table("b", (Column("v"),))})
    (batch,) = parsed(b'<r><o><kind n="1">b</kind><v>x</v></o></r>', XML)
    parts, rejects = TableRouter(choice).split(batch)
    assert ([(table.name, part.count) for table, part in parts.items()], rejects) == ([("a", 0), ("b", 1)], ())


def test_a_key_with_attributes_is_the_same_key() -> None:
    rules = ValueRules(absent_is_unset=True)
    table = Table("t", (Column("id"), Column("v", rules=rules)), key=("id",), mode=Mode.UPSERT)
    (batch,) = parsed(b'<r><o><id n="1">7</id><v>x</v></o><o><id>7</id></o><o><id>8</id><v>x</v></o></r>', XML)
    assert [part.count for _, part in split_by_absent_fields(table, batch)] == [1, 1, 1]


# Documents


def test_records_are_found_by_the_whole_path() -> None:
    data = b"<a><b><c>1</c></b><d><c>x</c></d><b/><b><c>2</c><c>3</c></b></a>"
    rows = rows_of(parsed(data, replace(XML, record="/a/b/c")))
    assert rows == [{"#text": "1"}, {"#text": "2"}, {"#text": "3"}]
    assert rows_of(parsed(b"<o><a>1</a></o>", replace(XML, record="/o"))) == [{"a": "1"}]


@pytest.mark.parametrize("data", [b"", b" \n", b"<r/>", b"<r>\n</r>"])
def test_a_source_without_records_has_none(data: bytes) -> None:
    assert list(parse([data], XML, batch_bytes=100)) == []


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"<r><O/></r>", "/r has no element 'o'; it has O"),
        (b"<s><o/></s>", "there is no /r; the root is s \\("),
        (b"<x:s xmlns:x='urn:x'><o/></x:s>", "there is no /r; the root is s of the namespace urn:x \\("),
        (b"<r><x><o/></x></r>", "/r has no element 'o'; it has x"),
    ],
)
def test_records_that_are_elsewhere_are_missed(data: bytes, problem: str) -> None:
    with pytest.raises(RecordsMissingError, match=problem) as raised:
        parsed(data, XML)
    assert "parse.record" in raised.value.hint


def test_a_route_must_say_where_the_records_are() -> None:
    with pytest.raises(InvalidRouteError) as raised:
        parsed(b"<r/>", ParseOptions(format=Format.XML))
    assert "parse.record" in raised.value.hint


@pytest.mark.parametrize(
    "start",
    [
        "<!DOCTYPE r>",
        '<!DOCTYPE r SYSTEM "http://example.com/r.dtd">',
        '<?xml version="1.0"?>\n<!DOCTYPE r [<!ENTITY a "b"><!ENTITY c "&a;&a;&a;">]>',
        '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
    ],
)
def test_a_doctype_is_refused(start: str) -> None:
    with pytest.raises(BadDocumentError, match="DOCTYPE") as raised:
        parsed(f"{start}<r><o>&c;</o></r>".encode(), XML)
    assert start.index("<!DOCTYPE") <= raised.value.offset <= len(start)
    assert "DOCTYPE" in raised.value.hint


def test_a_fault_is_found_at_its_line_and_byte_and_ends_the_load() -> None:
    data = b"<r>\n<o><a>1</a></o>\n<o><a>2</b></o>\n<o><a>3</a></o></r>"
    batches = parse(chunked(data, 7), XML, batch_bytes=1)
    assert next(batches).rows == [{"a": "1"}]
    with pytest.raises(BadDocumentError, match=r"not XML: mismatched tag \(line 3, column 10\)") as raised:
        next(batches)
    assert raised.value.offset == data.index(b"</b>") + 2


@pytest.mark.parametrize(
    "data", [b"<r><o>&x;</o></r>", b"<r><o>\x01</o></r>", b"<r><o>\xff</o></r>", b"<r/><r/>", b"x"]
)
def test_what_is_not_xml_is_refused(data: bytes) -> None:
    with pytest.raises(BadDocumentError, match="not XML"):
        parsed(data, XML)


DOCUMENT = '<?xml version="1.0"?>\n<r a="1"><!-- c --><o id="1"><a>é<![CDATA[x]]></a></o>\n<o/></r>\n'.encode()


def test_cut_at_any_byte_it_is_truncated() -> None:
    end = DOCUMENT.index(b"</r>") + len(b"</r>")
    for cut in range(1, end):
        if DOCUMENT[:cut].strip():
            with pytest.raises(TruncatedSourceError, match="ends inside the XML document"):
                parsed(DOCUMENT[:cut], XML)


def test_a_record_that_is_too_long_is_rejected_and_the_next_is_not() -> None:
    long = "<o>" + "<a>text</a>" * 20 + "</o>"
    data = f"<r><o><a>1</a></o>{long}<o><a>2</a></o></r>".encode()
    batches = parsed(data, replace(XML, max_record=40))
    assert rows_of(batches) == [{"a": "1"}, {"a": "2"}]
    assert rejects_of(batches) == [(2, "longer than 40 bytes")]
    (raw,) = [reject.position.raw for batch in batches for reject in batch.rejects]
    assert raw == long


def test_memory_does_not_grow_with_a_record_or_with_the_document() -> None:
    def document() -> Iterator[bytes]:
        yield b"<r><o>"
        for _ in range(300):
            yield b"<a>" + b"text " * 4000 + b"</a>"
        yield b"</o>"
        for _ in range(20_000):
            yield b"<o><a>1</a><b>some text</b></o>"
        yield b"</r>"

    tracemalloc.start()
    counts = [batch.count for batch in parse(document(), replace(XML, max_record=100_000), batch_bytes=50_000)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(counts) == 20_001
    assert peak < 3_000_000


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"<r><o>" + b"<a>" * 300, "more than 200 elements within each other"),
        (b"<r>" + b"<a>" * 300, "more than 200 elements within each other"),
        (b"<r><o>" + b"".join(b"<a%d/>" % number for number in range(20_000)), "names of elements"),
        (b"<r><!--" + b"x" * 300_000, "a tag or a comment is longer than 1,000 bytes"),
        (b"<r><o a='" + b"x" * 300_000, "a tag or a comment is longer than 1,000 bytes"),
        (b"<r><o>" + b"<a>" * 150 + b"<b/>" * 60_000 + b"<a>" * 100, "more than 200 elements within each other"),
    ],
)
def test_what_a_parser_would_have_to_hold_is_bounded(data: bytes, problem: str) -> None:
    with pytest.raises(BadDocumentError, match=problem):
        list(parse([data], replace(XML, max_record=1000), batch_bytes=100))


# Encodings


def xml_in(encoding: str, declared: str | None = None) -> bytes:
    name = encoding if declared is None else declared
    declaration = f'<?xml version="1.0" encoding="{name}"?>' if name else ""
    return f"{declaration}<r><o><a>Zoë</a></o>\n<o><a>ß</a></o></r>".encode(encoding)


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1", "windows-1252", "cp850", "utf-8-sig", "utf-16"])
def test_the_declaration_or_a_mark_names_the_encoding(encoding: str) -> None:
    batches = assert_chunks_do_not_matter(xml_in(encoding), XML, 1000)
    assert rows_of(batches) == [{"a": "Zoë"}, {"a": "ß"}]


def test_the_encoding_of_the_route_comes_first() -> None:
    assert rows_of(parsed(xml_in("cp1252", "utf-8"), replace(XML, encoding="cp1252")))[0] == {"a": "Zoë"}
    assert rows_of(parsed(xml_in("gb18030", ""), replace(XML, encoding="gb18030")))[0] == {"a": "Zoë"}


def test_a_declaration_that_its_own_bytes_contradict_is_not_believed() -> None:
    assert rows_of(parsed(xml_in("utf-8", "utf-16"), XML))[0] == {"a": "Zoë"}


def test_an_unknown_encoding_is_named() -> None:
    with pytest.raises(BadDocumentError, match="declares the encoding 'klingon'"):
        parsed(xml_in("utf-8", "klingon"), XML)


# Properties

names = st.sampled_from(["a", "b", "long-name", "ns.x"])
texts = st.text("a<>&\"' \n]é€", max_size=4).map(lambda text: text.replace("\r", ""))
trees = st.recursive(
    texts,
    lambda inner: st.dictionaries(names, inner | st.lists(inner, min_size=2, max_size=3), max_size=3),
    max_leaves=6,
)
records_of_text = st.lists(
    st.tuples(st.dictionaries(names, texts, max_size=2), st.dictionaries(names, trees, max_size=3))
)


def written(name: str, value: Any) -> str:
    if isinstance(value, list):
        return "".join(written(name, each) for each in value)
    if isinstance(value, Mapping):
        return f"<{name}>{''.join(written(key, inner) for key, inner in value.items())}</{name}>"
    return f"<{name}>{escape(value)}</{name}>"


def read(value: Any) -> Any:
    """An element without anything in it is the empty text."""
    if isinstance(value, list):
        return [read(each) for each in value]
    return {key: read(inner) for key, inner in value.items()} if value and not isinstance(value, str) else value or ""


@given(records_of_text, st.sampled_from(["", "\n  "]), st.sampled_from(["utf-8", "utf-16"]), st.sampled_from(BATCHES))
@settings(max_examples=examples(120), deadline=None)
def test_what_is_written_is_read_back(
    records: list[tuple[dict[str, str], dict[str, Any]]], space: str, encoding: str, batch_bytes: int
) -> None:
    lines = []
    for attributes, values in records:
        tag = "".join(f" {name}={quoteattr(text)}" for name, text in attributes.items())
        lines.append(f"<o{tag}>{space}{space.join(written(name, value) for name, value in values.items())}{space}</o>")
    data = f"<r>{space.join(lines)}</r>".encode(encoding)
    batches = assert_chunks_do_not_matter(data, XML, batch_bytes)
    assert rows_of(batches) == [
        {**{f"@{name}": text for name, text in attributes.items()}, **{name: read(v) for name, v in values.items()}}
        for attributes, values in records
    ]
    raws = [batch.position(number).raw for batch in batches for number in range(len(batch.rows))]
    assert raws == [line.rstrip("\r\n") for line in lines]
    assert_every_boundary_can_be_entered(data, XML, batch_bytes)


PARTS = [
    "<o>",
    "</o>",
    "<a>",
    "</a>",
    "<o/>",
    "x",
    " ",
    "<!-- -->",
    "<![CDATA[",
    "]]>",
    "&lt;",
    "&x;",
    "<",
    ">",
    "\xff",
]


@given(st.lists(st.sampled_from(PARTS), max_size=12), st.sampled_from([1, 7, 1000]), st.sampled_from([5, 1000]))
@settings(max_examples=examples(200), deadline=None)
def test_broken_documents_give_errors_of_penstock_only(parts: list[str], batch_bytes: int, most: int) -> None:
    data = f"<r>{''.join(parts)}</r>".encode("latin-1")
    outcomes = []
    for chunk in (1, len(data)):
        try:
            batches = parsed(data, replace(XML, max_record=most), chunk=chunk, batch_bytes=batch_bytes)
            outcomes.append((rows_of(batches), rejects_of(batches)))
        except PenstockError as error:
            outcomes.append(str(error))  # type: ignore[arg-type]
    assert outcomes[0] == outcomes[1]


def test_xml_is_never_cut() -> None:
    assert boundaries_for(XML, b"<r>") is None
