"""JSON in other forms than a list of objects or a value on each line: objects over several lines, lists of lists."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lengths import examples
from parser_checks import (
    BATCHES,
    assert_chunks_do_not_matter,
    assert_every_boundary_can_be_entered,
    parsed,
    rejects_of,
    rows_of,
)
from penstock.errors import BadDocumentError, HeaderRowError, InvalidRouteError, TruncatedSourceError
from penstock.formats.boundaries import HEAD, boundaries_for
from penstock.formats.jsonl.form import JsonForm, form_of
from penstock.model.parse_options import Format, ParseOptions

LINES = ParseOptions(format=Format.JSONL)
DOCUMENT = ParseOptions(format=Format.JSON)

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('a"{}[]\n\\é', max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("ab", max_size=1), inner, max_size=2),
    max_leaves=4,
)
records = st.dictionaries(st.sampled_from(["a", "b", "c"]), values, min_size=1, max_size=3)


# Objects over several lines


@pytest.mark.parametrize(
    ("data", "form"),
    [
        (b'{"a": 1}\n{"a": 2}\n', JsonForm.LINES),
        (b'{\n"a": 1\n}\n{"a": 2}', JsonForm.STREAM),
        (b'\n {"a": 1,\n "b": 2}', JsonForm.STREAM),
        (b'{"a": [\n1]}', JsonForm.STREAM),
        (b'[\n  {"a": 1}\n]', JsonForm.DOCUMENT),
        (b'[{"a": 1},\n{"a": 2}]', JsonForm.DOCUMENT),
        (b'{\n "a": "' + b"x" * HEAD, JsonForm.STREAM),
        # A line that is damaged is a line.
        (b'{"a": 1\n{"a": 2}\n', JsonForm.LINES),
        (b'{"a": "x\n{"a": 2}\n', JsonForm.LINES),
        (b'{"a": 1\n', JsonForm.LINES),
        (b"[1,\n2]", JsonForm.LINES),
        (b"1\n2", JsonForm.LINES),
        (b'{"a": "' + b"x" * HEAD, JsonForm.LINES),
        (b"", JsonForm.LINES),
    ],
)
def test_the_start_of_a_source_shows_whether_records_are_lines(data: bytes, form: JsonForm) -> None:
    assert form_of(data[:HEAD], "utf-8") is form
    assert form_of(data.decode().encode("utf-16")[:HEAD], "utf-8") is form
    assert (boundaries_for(LINES, data[:HEAD]) is not None) == (form is JsonForm.LINES)


@given(
    st.lists(records, min_size=1, max_size=6), st.sampled_from(["", "\n", "\r\n\r\n", " "]), st.sampled_from(BATCHES)
)
@settings(max_examples=examples(100), deadline=None)
def test_pretty_printed_objects_are_records(found: list[dict[str, object]], between: str, batch_bytes: int) -> None:
    data = between.join(json.dumps(record, indent=1, ensure_ascii=False) for record in found).encode()
    batches = assert_chunks_do_not_matter(data, LINES, batch_bytes)
    assert rows_of(batches) == found
    assert not rejects_of(batches)
    assert_every_boundary_can_be_entered(data, LINES, batch_bytes)
    assert [json.loads(batch.position(n).raw) for batch in batches for n in range(len(batch.rows))] == found


def test_a_pretty_printed_list_is_a_document() -> None:
    assert rows_of(parsed(b'[\n  {"a": 1},\n  {"a": 2}\n]\n', LINES)) == [{"a": 1}, {"a": 2}]


def test_a_long_object_is_rejected_and_the_next_is_read() -> None:
    data = b'{\n"a": 1\n}\n{\n"a": "' + b"x" * 50 + b'"\n}\n{\n"a": 3\n}'
    batches = parsed(data, replace(LINES, max_record=30))
    assert rows_of(batches) == [{"a": 1}, {"a": 3}]
    assert rejects_of(batches) == [(2, "longer than 30 bytes")]


@pytest.mark.parametrize("rest", [b"x", b"1", b'{"a" 1}', b'{"a": tru}', b"}"])
def test_what_is_no_object_ends_the_load_where_it_begins(rest: bytes) -> None:
    with pytest.raises(BadDocumentError, match="not JSON") as raised:
        parsed(b'{\n"a": 1\n}\n' + rest + b" " * 20, LINES)
    assert raised.value.offset >= 11


def test_a_stream_that_is_cut_is_truncated() -> None:
    data = b'{\n"a": 1\n}\n{\n"b": [1, "x"]\n}'
    for cut in range(12, len(data)):
        with pytest.raises(TruncatedSourceError):
            parsed(data[:cut], LINES)


# A document that is one object


def test_an_object_is_one_record_if_no_path_leads_to_others() -> None:
    assert rows_of(parsed(b'{"a": 1, "b": [{"c": 2}]}', DOCUMENT)) == [{"a": 1, "b": [{"c": 2}]}]
    assert rows_of(parsed(b'{\n  "a": 1\n}\n', DOCUMENT)) == [{"a": 1}]


# Lists of lists


def test_the_first_list_names_the_values_of_the_others() -> None:
    data = b'[["id", "name"], [1, "Ann"], [2, null]]'
    batches = parsed(data, DOCUMENT)
    assert rows_of(batches) == [{"id": 1, "name": "Ann"}, {"id": 2, "name": None}]
    assert batches[0].first_row == 1
    assert batches[0].position(0).raw == '[1, "Ann"]'
    renamed = replace(DOCUMENT, columns=("a", "b"))
    assert rows_of(parsed(data, renamed))[0] == {"a": 1, "b": "Ann"}


def test_the_route_names_the_values_of_lists_without_a_header() -> None:
    options = replace(DOCUMENT, header=False, columns=("id", "name"), records="data")
    assert rows_of(parsed(b'{"data": [[1, "Ann"], [2, "Bob"]]}', options)) == [
        {"id": 1, "name": "Ann"},
        {"id": 2, "name": "Bob"},
    ]
    with pytest.raises(InvalidRouteError, match="need names"):
        parsed(b"[[1]]", replace(DOCUMENT, header=False))


def test_a_list_of_another_length_is_rejected() -> None:
    batches = parsed(b'[["a", "b"], [1], {"a": 1}, [1, 2, 3], [1, 2]]', DOCUMENT, batch_bytes=10)
    assert rows_of(batches) == [{"a": 1, "b": 2}]
    assert rejects_of(batches) == [
        (1, "expected 2 values, found 1"),
        (2, "is not a list, as the first record is"),
        (3, "expected 2 values, found 3"),
    ]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"[[1, 2], [3, 4]]", "other values than names"),
        (b'[["a", "a"]]', "doubled in the header row"),
        (b'[["a", ""]]', "no name in the header row"),
        (b'[["' + b"x" * 2000 + b'"]]', "cannot be read"),
    ],
)
def test_a_first_list_that_names_nothing_is_refused(data: bytes, problem: str) -> None:
    with pytest.raises(HeaderRowError, match=problem):
        parsed(data, replace(DOCUMENT, max_record=1000))


@given(st.lists(st.lists(values, min_size=2, max_size=2), max_size=6), st.sampled_from(BATCHES))
@settings(max_examples=examples(60), deadline=None)
def test_lists_are_read_as_they_are_written(found: list[list[object]], batch_bytes: int) -> None:
    data = json.dumps([["x", "y"], *found]).encode()
    rows = rows_of(assert_chunks_do_not_matter(data, DOCUMENT, batch_bytes))
    assert all(isinstance(row, Mapping) for row in rows)
    assert rows == [{"x": x, "y": y} for x, y in found]
    assert_every_boundary_can_be_entered(data, DOCUMENT, batch_bytes)
    for cut in range(len(data)):
        with suppress(TruncatedSourceError):
            assert parsed(data[:cut], DOCUMENT, batch_bytes=batch_bytes) == []
