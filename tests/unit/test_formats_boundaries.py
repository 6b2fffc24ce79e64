"""Where records begin, counted on the way: the parser's records, wherever the source is cut."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given, settings

from lengths import examples
from penstock.errors import InvalidRouteError, UnclosedQuoteError
from penstock.formats import open_source, parse
from penstock.formats.boundaries import HEAD, Boundaries, BoundariesState, RecordStart, boundaries_for
from penstock.model.load import Resume
from penstock.model.parse_options import Format, ParseOptions
from record_starts import (
    PIECES,
    ParsedSource,
    assert_parts_make_the_whole,
    every_mark,
    marks,
    options_for,
    pieces_of,
    records_of,
    sources,
)

CSV = ParseOptions(format=Format.CSV)
AB = options_for(Format.CSV)
LINES = ParseOptions(format=Format.JSONL)


def boundaries(source: ParsedSource) -> Boundaries:
    return Boundaries(BoundariesState(source.text))


def starts(data: bytes, options: ParseOptions) -> list[tuple[int, int]]:
    """Offset and row for a mark before each byte, and one behind the last."""
    counting = boundaries_for(options, data[:HEAD])
    assert counting
    return [(found.offset, found.row) for found in every_mark(counting, data, 1)]


@given(sources())
@settings(max_examples=examples(300), deadline=None)
def test_every_mark_is_answered_with_the_first_record_at_or_after_it(source: ParsedSource) -> None:
    for size in PIECES:
        expected = [source.first_from(mark) for mark in marks(len(source.data), size)]
        assert every_mark(boundaries(source), source.data, size) == expected


@given(sources())
@settings(max_examples=examples(100), deadline=None)
def test_cut_at_any_byte_the_two_parts_have_the_records_of_the_whole(source: ParsedSource) -> None:
    first, *others = every_mark(boundaries(source), source.data, 1)
    for other in others:
        assert_parts_make_the_whole(source, [first, other])


@given(sources())
@settings(max_examples=examples(100), deadline=None)
def test_cut_at_all_bytes_the_parts_have_the_records_of_the_whole(source: ParsedSource) -> None:
    assert_parts_make_the_whole(source, every_mark(boundaries(source), source.data, 1))


@given(sources())
@settings(max_examples=examples(100), deadline=None)
def test_another_process_goes_on_at_any_piece(source: ParsedSource) -> None:
    for size in PIECES:
        counting = boundaries(source)
        for piece in pieces_of(source.data, size):
            counting.mark()
            counting.feed(piece)
            stored = json.dumps(counting.state.to_json())
            counting = Boundaries(BoundariesState.from_json(json.loads(stored)))
        counting.mark()
        counting.finish()
        assert counting.take() == every_mark(boundaries(source), source.data, size)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_header_is_no_record_and_blank_lines_are_none(end: bytes) -> None:
    data = end.join([b"", b"", b"a,b", b"", b"1,2", b"", b"3,4", b"", b""])
    one, two = data.index(b"1"), data.index(b"3")
    expected = [(one, 1)] * (one + 1) + [(two, 2)] * (two - one) + [(len(data), 3)] * (len(data) - two)
    assert starts(data, CSV) == expected


def test_a_line_end_in_quotes_ends_no_record() -> None:
    data = b'1,"a\nb"\n2,c\n'
    assert starts(data, AB)[1:10] == [(8, 2)] * 8 + [(12, 3)]


def test_a_quote_inside_a_field_without_quotes_is_text() -> None:
    data = b'5",a\n6,"b\n"\n'
    assert starts(data, AB)[1:7] == [(5, 2)] * 5 + [(12, 3)]


def test_a_line_of_two_quotes_is_a_record() -> None:
    assert starts(b'""\n""\n', AB) == [(0, 1), (3, 2), (3, 2), (3, 2), (6, 3), (6, 3), (6, 3)]


def test_a_mark_between_the_two_bytes_of_a_line_end_belongs_to_the_next_record() -> None:
    data = b"1,2\r\n3,4\r\n"
    assert starts(data, AB)[4] == (5, 2)


def test_a_record_of_json_lines_begins_where_its_line_does() -> None:
    data = b' \n  {"a": 1}\r\n\t\r\n2'
    assert starts(data, LINES)[:4] == [(2, 1), (2, 1), (2, 1), (17, 2)]


def test_blank_lines_are_none_however_long_they_are() -> None:
    data = b"1\n" + b" " * 50 + b"\n2\n"
    short = replace(LINES, max_record=10)
    assert starts(data, short)[1] == (53, 2)
    assert [record.offset for record in records_of([data], short)] == [0, 53]


def test_what_looks_like_the_start_of_a_source_is_text_in_the_middle() -> None:
    data = b"a,b\n1,2\nsep=;\n\xef\xbb\xbf3,4\n5;6\n"
    source = ParsedSource(data, CSV, open_source([data], CSV), records_of([data], CSV))
    assert len(source.records) == 4
    assert_parts_make_the_whole(source, every_mark(boundaries(source), data, 1))


def test_a_part_knows_encoding_delimiter_and_names_of_its_source() -> None:
    data = "\ufeffsep=;\nname;n\nZürich;1\nBern;2\n".encode()
    declared = ParseOptions(format=Format.CSV, encoding="cp1252")
    within = replace(open_source(pieces_of(data, 3), declared), offset=data.index(b"Bern"), row=2)
    (batch,) = parse([data[within.offset :]], declared, batch_bytes=100, within=within)
    assert (batch.names, batch.rows, batch.first_row) == (("name", "n"), [["Bern", "2"]], 2)
    assert (batch.offset, batch.end) == (within.offset, len(data))


def test_a_part_goes_on_after_its_last_chunk() -> None:
    data = b"a,b\n1,2\n3,4\n5,6\n"
    within = replace(open_source([data], CSV), offset=8, row=2)
    resume = Resume(chunk=1, offset=12, row=3)
    (batch,) = parse([data[8:]], CSV, batch_bytes=100, within=within, resume=resume)
    assert (batch.first_row, batch.offset, batch.rows) == (3, 12, [["5", "6"]])


def test_an_open_quote_is_found_in_the_last_part_at_its_place_in_the_source() -> None:
    data = b'1,2\n3,"4\n5,6\n'
    found = starts(data, AB)
    assert found[5:] == [(len(data), 3)] * 9
    within = replace(open_source([data], AB), offset=4, row=2)
    with pytest.raises(UnclosedQuoteError, match="row 2") as raised:
        records_of([data[4:]], AB, within)
    assert raised.value.offset == 6


@pytest.mark.parametrize("form", [Format.JSON, Format.XLSX])
def test_a_document_is_never_cut(form: Format) -> None:
    options = ParseOptions(format=form)
    assert boundaries_for(options, b"[1]") is None
    with pytest.raises(InvalidRouteError, match="cannot be entered in the middle"):
        parse([b"[1]"], options, batch_bytes=10, within=open_source([b"1"], LINES))


@pytest.mark.parametrize(
    ("options", "head"),
    [
        (ParseOptions(format=Format.CSV, encoding="shift_jis"), b"a,b\n"),
        (ParseOptions(format=Format.JSONL, encoding="utf-16"), b"1"),
        (CSV, "\ufeffa,b\n".encode("utf-16-le")),
        (ParseOptions(format=Format.CSV, delimiter="§"), b"a,b\n"),
        (ParseOptions(format=Format.CSV, quote="«"), b"a,b\n"),
        (CSV, "sep=§\na§b\n".encode()),
        (ParseOptions(format=Format.CSV, encoding="mac_arabic"), b"a,b\n"),
    ],
)
def test_signs_that_are_not_one_byte_alone_cannot_be_cut_at(options: ParseOptions, head: bytes) -> None:
    assert boundaries_for(options, head) is None


def test_one_byte_encodings_have_their_own_delimiters() -> None:
    options = replace(AB, encoding="cp1252", delimiter="§", quote="«")
    data = "1§2\n«\n«§3\n4§5".encode("cp1252")
    assert starts(data, options)[1:5] == [(4, 2)] * 4
    assert starts(data, options)[5] == (10, 3)


def test_marks_in_one_long_record_share_their_answer() -> None:
    counting = boundaries_for(AB, b'1,"')
    assert counting
    counting.feed(b'1,"')
    for _ in range(3):
        counting.mark()
        counting.feed(b'a,""\n' * 10)
    assert counting.take() == []
    counting.feed(b'"\n2,3')
    assert counting.take() == [RecordStart(mark, 155, 2) for mark in (3, 53, 103)]
    assert (counting.offset, counting.row) == (158, 3)
    assert counting.take() == []


def test_memory_does_not_grow_with_a_record() -> None:
    counting = boundaries_for(AB, b'1,"')
    assert counting
    piece = b'some ""text"",\nno end' * 50_000
    counting.feed(b'1,"')
    counting.mark()
    counting.feed(piece)
    tracemalloc.start()
    for _ in range(5):
        counting.feed(piece)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 1024 * 1024
    assert counting.row == 2
