"""A JSON document: the elements of its list, wherever that lies, without holding the document."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lengths import examples
from parser_checks import (
    BATCHES,
    assert_chunks_do_not_matter,
    assert_every_boundary_can_be_entered,
    chunked,
    comparable,
    parsed,
    rejects_of,
    rows_of,
)
from penstock.errors import BadDocumentError, BadSourceError, RecordsMissingError, TruncatedSourceError
from penstock.formats import parse, settle
from penstock.model.load import Resume
from penstock.model.parse_options import Format, ParseOptions

DOCUMENT = ParseOptions(format=Format.JSON)
ITEMS = ParseOptions(format=Format.JSON, records="data.items")

texts = st.text(st.sampled_from('ab"\\{}[],: é😀\u2028\n'), max_size=5)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
# If the first element is a list, it holds the names of the others.
elements = st.lists(values, max_size=8).filter(lambda found: not found or not isinstance(found[0], list))
indents = st.sampled_from([None, 0, 2])


def exact(text: str) -> object:
    return json.loads(text, parse_float=Decimal)


@given(elements, indents, st.booleans(), st.sampled_from(BATCHES))
@settings(max_examples=examples(150), deadline=None)
def test_the_elements_of_a_list_are_what_json_reads(
    records: list[object], indent: int | None, ascii_only: bool, batch_bytes: int
) -> None:
    text = json.dumps(records, indent=indent, ensure_ascii=ascii_only)
    batches = assert_chunks_do_not_matter(text.encode(), DOCUMENT, batch_bytes)
    assert rows_of(batches) == exact(text)
    assert_every_boundary_can_be_entered(text.encode(), DOCUMENT, batch_bytes)


@given(
    elements,
    st.dictionaries(texts, values, max_size=3),
    st.dictionaries(texts, values, max_size=3),
    indents,
    st.sampled_from(BATCHES),
)
@settings(max_examples=examples(150), deadline=None)
def test_a_path_leads_to_the_list_past_anything(
    records: list[object], before: dict[str, object], after: dict[str, object], indent: int | None, batch_bytes: int
) -> None:
    inner = {**before, "items": records, **after}
    text = json.dumps({**before, "data": inner, **after}, indent=indent)
    batches = assert_chunks_do_not_matter(text.encode(), ITEMS, batch_bytes)
    assert rows_of(batches) == [exact(json.dumps(record)) for record in records]
    assert_every_boundary_can_be_entered(text.encode(), ITEMS, batch_bytes)


@given(elements.filter(bool), st.data())
@settings(max_examples=examples(150), deadline=None)
def test_a_document_that_is_cut_off_is_truncated_wherever_it_is_cut(records: list[object], data: st.DataObject) -> None:
    whole = json.dumps({"data": {"items": records}}).encode()
    cut = data.draw(st.integers(1, len(whole) - 1))
    with pytest.raises(TruncatedSourceError):
        parsed(whole[:cut], ITEMS, chunk=3, batch_bytes=8)


@pytest.mark.parametrize("end", range(1, 40))
def test_the_offset_of_a_truncated_source_is_its_end(end: int) -> None:
    data = b'[{"a": true, "b": [1.5e10, "x\\u00e9"]}, 12'
    with pytest.raises(TruncatedSourceError) as caught:
        parsed(data[:end], DOCUMENT)
    assert caught.value.offset == end


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        (b'[{"a": 1}, {"a": tru}, {"a": 2}]', 17),
        (b'[{"a": 1} {"a": 2}]', 10),
        (b'[{"a": 1},]', 10),
        (b"[,1]", 1),
        (b'[{"a": 1]]', 8),
        (b"[1, 2}]", 5),
        (b"[1, 2] x", 7),
        (b'{"a": 1} {"a": 2}', 9),
        (b"[1, 'a']", 4),
        (b"[1, {a: 2}, " + b"3, " * 100 + b"4]", 5),
        (b"[1, {a: 2}, " + b'"' + b"x" * 100_000 + b'"]', 5),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_what_is_no_json_is_an_error_where_it_starts(text: bytes, offset: int) -> None:
    with pytest.raises(BadDocumentError) as caught:
        parsed(text, ParseOptions(format=Format.JSON, max_record=50_000))
    assert caught.value.offset == offset


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (b"<html></html>", ""),
        (b"12", ""),
        (b'"text"', ""),
        (b"[1]", "data"),
        (b'{"data": 1}', "data"),
        (b'{"data": {"other": []}}', "data.items"),
        (b'{"data": []}', "data.items"),
        (b"{}", "data"),
    ],
)
def test_a_document_without_the_list_is_an_error_that_says_so(text: bytes, path: str) -> None:
    with pytest.raises(RecordsMissingError):
        parsed(text, ParseOptions(format=Format.JSON, records=path))


@pytest.mark.parametrize("text", [b'{"data": }', b'{"data" 1}', b"{data: 1}", b'{"other": 1 "data": []}', b'{"x": 1,}'])
def test_garbage_on_the_way_to_the_list_is_an_error(text: bytes) -> None:
    with pytest.raises(BadSourceError):
        parsed(text, ParseOptions(format=Format.JSON, records="data"))


def test_an_object_is_one_record() -> None:
    assert rows_of(parsed(b' {"a": [1, {"b": 2}]} \n', DOCUMENT)) == [{"a": [1, {"b": 2}]}]
    assert rows_of(parsed(b'{"data": {"items": {"a": 1}, "n": 2}}', ITEMS)) == [{"a": 1}]


def test_json_lines_under_the_name_of_json_are_told_from_a_document() -> None:
    with pytest.raises(BadDocumentError) as caught:
        parsed(b'{"a": 1}\n{"a": 2}\n', DOCUMENT)
    assert "jsonl" in caught.value.hint


@pytest.mark.parametrize("data", [b"", b" \n", b"\xef\xbb\xbf", b"[]", b"[ \n]", "[]".encode("utf-16")])
def test_an_empty_file_and_an_empty_list_have_no_batches(data: bytes) -> None:
    assert parsed(data, DOCUMENT) == []


def test_elements_that_json_has_no_numbers_for_are_rejected_alone() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    data = b"[1, NaN, [Infinity], " + deep + b", 1e99999999999999999999, " + b"9" * 5000 + b", 2]"
    batches = parsed(data, DOCUMENT, batch_bytes=len(data), chunk=65536)
    assert rows_of(batches) == [1, 2]
    assert rejects_of(batches) == [
        (2, "NaN is no JSON number"),
        (3, "Infinity is no JSON number"),
        (4, "nested too deeply"),
        (5, "a number's exponent is too large"),
        (6, "an integer has too many digits"),
    ]


def test_undecodable_bytes_cost_one_element() -> None:
    data = b'[{"a": "\xc3\xa9"}, {"a": "\xff"}, {"a": "x"}]'
    batches = parsed(data, DOCUMENT, batch_bytes=1000)
    assert rows_of(batches) == [{"a": "é"}, {"a": "x"}]
    (reject,) = batches[0].rejects
    assert data[reject.position.offset :].startswith(b'{"a": "\xff"}')
    assert (reject.position.raw, reject.reason) == ('{"a": "\\xff"}', "not utf-8 at byte 21")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_an_element_over_the_limit_is_rejected_and_the_next_one_read(encoding: str) -> None:
    long = '{"a": "' + '\\"]}é' * 100_000 + '", "b": [[]]}'
    data = f'[{{"a": 1}}, {long}, {{"a": 2}}]'.encode(encoding)
    batches = parsed(data, ParseOptions(format=Format.JSON, max_record=1000), chunk=33_333)
    assert rows_of(batches) == [{"a": 1}, {"a": 2}]
    assert rejects_of(batches) == [(2, "longer than 1,000 bytes")]


def test_a_scalar_over_the_limit_is_rejected_and_the_next_one_read() -> None:
    data = b"[1, " + b"7" * 600_000 + b" , 2, " + b"8" * 600_000 + b"]"
    batches = parsed(data, ParseOptions(format=Format.JSON, max_record=1000), chunk=33_333)
    assert rows_of(batches) == [1, 2]
    assert [row for row, _ in rejects_of(batches)] == [2, 4]


def test_a_single_record_over_the_limit_hints_at_the_path() -> None:
    data = json.dumps({"items": ["x"] * 1000}).encode()
    (reject,) = parsed(data, ParseOptions(format=Format.JSON, max_record=1000))[0].rejects
    assert "parse.records" in reject.reason


def test_blanks_may_be_longer_than_records() -> None:
    blank = b" " * 5000
    data = blank + b"[" + blank + b"1" + blank + b"," + blank + b"2" + blank + b"]" + blank
    options = ParseOptions(format=Format.JSON, max_record=1000)
    assert [reason for _, reason in rejects_of(parsed(data, options))] == ["longer than 1,000 bytes"] * 2
    data = b"[" + blank + b"1," + blank + b"2]" + blank
    assert rows_of(parsed(data, options)) == [1, 2]


def test_a_load_goes_on_in_the_middle_of_what_was_a_batch() -> None:
    data = json.dumps([{"n": number} for number in range(50)]).encode()
    whole = rows_of(parsed(data, DOCUMENT))
    batches = parsed(data, DOCUMENT, batch_bytes=64, resume=Resume(row=18))
    assert (batches[0].first_row, rows_of(batches)) == (18, whole[17:])
    assert comparable(parsed(data, DOCUMENT, resume=Resume(row=51))) == []


def test_a_document_of_100_mb_does_not_take_100_mb() -> None:
    def chunks() -> Iterator[bytes]:
        yield b'{"skipped": ["'
        yield from (b"y" * 1_000_000 for _ in range(50))
        yield b'"], "items": [{"a": 1}, "'
        yield from (b"y" * 1_000_000 for _ in range(50))
        yield b'", {"a": 2}], "more": null}'

    tracemalloc.start()
    options = ParseOptions(format=Format.JSON, records="items")
    batches = list(parse(chunks(), options, batch_bytes=1024 * 1024))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert rows_of(batches) == [{"a": 1}, {"a": 2}]
    assert len(rejects_of(batches)) == 1
    assert peak < 24_000_000


ROWS = ParseOptions(format=Format.JSON, records="rows", max_record=1000)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ('{"meta":[1},"rows":[{"a":1}]}', 10),
        ('{"meta":nope,"rows":[{"a":1}],"x":tru}', 8),
        ('{"rows":[{"a":1}],"x":tru}', 22),
        ('{"meta":01,"rows":[]}', 9),
        ('{"meta":"\\x","rows":[]}', 9),
        ('{"meta":[1,],"rows":[]}', 11),
        ('{"meta":{"a" 1},"rows":[]}', 13),
        ('{"meta":{"a":1,},"rows":[]}', 15),
        ('{"meta":"a\nb","rows":[]}', 10),
        ('{"meta":NaN,"rows":[]}', 8),
        ('{"meta":[[[{"a":[1,2,{"b":tru}]}]]],"rows":[]}', 26),
    ],
)
@pytest.mark.parametrize("chunk", [1, 65536])
def test_what_is_passed_over_is_json_too(text: str, at: int, chunk: int) -> None:
    for options in (ROWS, replace(ROWS, records_at=(0,))):
        with pytest.raises(BadDocumentError, match="not JSON") as caught:
            parsed(text.encode(), options, chunk=chunk)
        assert caught.value.offset == at


# Longer than the window in which values are passed over (256 KiB), or nested deeper than the interpreter's stack.
LONG = {
    "string": '"' + "a\\u00e9" * 60_000 + '"',
    "number": "-" + "7" * 600_000 + ".5e3",
    "list": "[" + "[1,{}]," * 40_000 + "[]]",
    "object": "{" + ",".join(f'"k{n}":{{"a":[true]}}' for n in range(14_000)) + "}",
    "nested": "[" * 50_000 + "]" * 50_000,
}


@pytest.mark.parametrize("what", LONG)
def test_what_is_passed_over_may_be_of_any_size(what: str) -> None:
    data = f'{{"x": {LONG[what]} , "rows": [{{"a": 1}}], "y": {LONG[what]}}}'.encode()
    assert rows_of(parsed(data, ROWS, chunk=33_333)) == [{"a": 1}]
    data = f'{{"rows": [{{"a": 1}}], "y": {LONG[what]}}}'.encode()
    broken = data.replace(b"]]", b"]}", 1) if what == "nested" else data[:-3] + b"?" + data[-2:]
    with pytest.raises(BadDocumentError):
        parsed(broken, ROWS, chunk=33_333)
    with pytest.raises(TruncatedSourceError):
        parsed(data[:-2], ROWS, chunk=33_333)


@pytest.mark.parametrize(
    ("data", "at"),
    [
        (b'{"meta":"a\xff","rows":[{"a":1}]}', 10),
        (b'{"meta":{"\xc3(":1},"rows":[{"a":1}]}', 10),
        (b'{"meta":["\xe2\x82"],"rows":[{"a":1}]}', 10),
        (b'{"rows":[{"a":1}],"x":["ok","\xed\xa0\x80"]}', 29),
        (b'{"rows":[{"a":1}],"\xff":1}', 19),
        (b'{"\xff":[],"rows":[{"a":1}]}', 2),
    ],
)
@pytest.mark.parametrize("chunk", [1, 7, 262_144])
def test_what_is_passed_over_is_in_the_encoding_of_the_source(data: bytes, at: int, chunk: int) -> None:
    for options in (ROWS, replace(ROWS, records_at=(0,))):
        with pytest.raises(BadDocumentError, match="not utf-8") as caught:
            parsed(data, options, chunk=chunk)
        assert caught.value.offset == at


@pytest.mark.parametrize("chunk", [33_333, 262_144])
@pytest.mark.parametrize(
    ("begun", "at"), [(b'"' + "é".encode() * 140_000, 280_009), (b"[" + b'"",' * 90_000 + b'"', 270_010)]
)
def test_what_is_passed_over_is_in_the_encoding_of_the_source_beyond_a_window_too(
    begun: bytes, at: int, chunk: int
) -> None:
    data = b'{"meta":' + begun + b'\xff"' + b"]" * begun.startswith(b"[") + b',"rows":[{"a":1}]}'
    for options in (ROWS, replace(ROWS, records_at=(0,))):
        with pytest.raises(BadDocumentError, match="not utf-8") as caught:
            parsed(data, options, chunk=chunk)
        assert caught.value.offset == at


def test_what_is_passed_over_may_be_of_any_encoding() -> None:
    text = f'{{"meta":"{"é€" * 200_000}","é":{{"rows":[{{"a":"é"}}]}}}}'
    options = replace(ROWS, records="é.rows")
    for encoding in ("utf-8", "cp1252", "utf-16-le", "gb18030"):
        data = text.encode(encoding)
        assert rows_of(parsed(data, replace(options, encoding=encoding), chunk=33_333)) == [{"a": "é"}]
    lone = f'{{"meta":"{"é" * 200_000}\ud800","rows":[]}}'.encode("utf-16-le", "surrogatepass")
    with pytest.raises(BadDocumentError, match="not utf-16-le") as caught:
        parsed(lone, replace(ROWS, encoding="utf-16-le"), chunk=33_333)
    assert caught.value.offset == 2 * (9 + 200_000)
    with pytest.raises(BadDocumentError, match="not cp1252"):
        parsed(b'{"meta":"\x81","rows":[]}', replace(ROWS, encoding="cp1252"))


def test_a_record_that_is_too_long_is_a_reject_whatever_it_holds() -> None:
    batches = parsed(b'{"rows":[{"a":"' + b"\xff" * 2_000 + b'"},{"a":1}]}', ROWS)
    assert rows_of(batches) == [{"a": 1}]
    assert [row for row, *_ in rejects_of(batches)] == [1]


DOUBLED = [
    ('{"rows":[{"a":1}],"rows":[{"a":2}]}', "rows", (1,)),
    ('{"x":{"rows":[{"a":1}]},"y":{},"x":{"rows":[{"a":0}],"rows":[{"a":2}]}}', "x.rows", (1, 1)),
    ('{"rows":[{"a":1}],"r\\u006fws":[{"a":2}]}', "rows", (1,)),
    ('{"rows":[{"a":2}],"x":{"rows":[{"a":1}]}}', "rows", (0,)),
]


@pytest.mark.parametrize(("text", "path", "at"), DOUBLED)
@pytest.mark.parametrize("filling", ["", " " * 5000])
def test_of_a_doubled_key_the_last_value_stands(text: str, path: str, at: tuple[int, ...], filling: str) -> None:
    data = text.replace("[", "[" + filling).encode()
    options = replace(ROWS, records=path)
    settled = settle(chunked(data, 100), options)
    assert settled.records_at == at
    assert rows_of(parsed(data, settled)) == [{"a": 2}]
    if not filling:
        assert rows_of(parsed(data, options)) == [{"a": 2}]
    elif any(at):
        with pytest.raises(BadDocumentError, match="appears again"):
            parsed(data, options)


def test_a_path_to_the_records_that_is_wrong_is_told_with_what_is_there() -> None:
    data = b'{"data": {"rows": [{"id": 1}], "next": null}}'
    with pytest.raises(RecordsMissingError, match="the object at data has no 'items'; it has 'rows', 'next'"):
        list(parse([data], ParseOptions(format=Format.JSON, records="data.items"), batch_bytes=100))


def test_a_last_value_that_is_no_list_is_told() -> None:
    with pytest.raises(RecordsMissingError, match="there is no object at x"):
        parsed(b'{"x":{"rows":[{"a":1}]},"x":5}', replace(ROWS, records="x.rows"))
