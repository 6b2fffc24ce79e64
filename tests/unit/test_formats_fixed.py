"""Fixed-width fields: what a writer pads is read back, whatever the cut; every other line has its reason."""

from __future__ import annotations

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
from penstock.errors import InvalidRouteError
from penstock.formats import Within, open_source
from penstock.formats.boundaries import HEAD, boundaries_for
from penstock.formats.survey import stitch, survey
from penstock.model.columnar_rows import ColumnarRows
from penstock.model.fixed_layout import read_layout
from penstock.model.parse_options import Format, LineLength, ParseOptions, Trim, Units
from record_starts import every_mark, pieces_of, records_of

FIXED = ParseOptions(format=Format.FIXED, fields=("id 1-3", "name +5", "day 9-12"))


def fields_of(line: str, options: ParseOptions = FIXED) -> list[str]:
    (row,) = rows_of(parsed(line.encode(), options))
    assert isinstance(row, list | tuple)
    return list(row)


def reasons_of(data: bytes, options: ParseOptions = FIXED) -> list[str]:
    return [reason for _, reason in rejects_of(parsed(data, options))]


# Layouts


@pytest.mark.parametrize(
    ("fields", "places"),
    [
        (("a 1-3", "b 4-8"), [(0, 3), (3, 8)]),
        (("a +3", "b +5"), [(0, 3), (3, 8)]),
        (("a 2", "b 5-6", "c +1"), [(1, 2), (4, 6), (6, 7)]),
        (("a 1-8", "year 1-4", "rest 9-"), [(0, 8), (0, 4), (8, None)]),
        (("customer name 1-3", " b\t4-4 "), [(0, 3), (3, 4)]),
    ],
)
def test_a_layout_names_fields_by_position_or_by_width(
    fields: tuple[str, ...], places: list[tuple[int, int | None]]
) -> None:
    assert [(place.start, place.stop) for place in read_layout(fields).places] == places


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        (("a",), "not a name and a position"),
        (("1-3",), "not a name and a position"),
        (("a 0-3",), "holds no position"),
        (("a 5-3",), "holds no position"),
        (("a +0",), "holds no position"),
        (("a 1-", "b +3"), "follows a field that has no end"),
        (("a 1-2", "a 3-4"), "contain 'a' twice"),
        ((), "are required"),
    ],
)
def test_a_layout_that_cannot_be_is_refused(fields: tuple[str, ...], problem: str) -> None:
    with pytest.raises(InvalidRouteError, match=problem):
        read_layout(fields)
    with pytest.raises(InvalidRouteError, match=r"parse\.fields"):
        parsed(b"x\n", replace(FIXED, fields=fields))


# Fields


def test_fields_lose_their_blanks_on_the_right() -> None:
    assert fields_of("  1Ann  0131") == ["  1", "Ann", "0131"]


@pytest.mark.parametrize(
    ("trim", "field"),
    [(Trim.RIGHT, " a"), (Trim.LEFT, "a "), (Trim.BOTH, "a"), (Trim.NONE, " a ")],
)
def test_the_route_says_where_blanks_are_removed(trim: Trim, field: str) -> None:
    for lines in (1, 20):
        rows = rows_of(parsed(b" a \n" * lines, replace(FIXED, fields=("x 1-3",), trim=trim)))
        assert rows == [(field,)] * lines


def test_only_blanks_are_removed() -> None:
    options = replace(FIXED, fields=("a 1-3", "b 4-6"))
    for text in ("1\t x\u00a0 ", "1\t x\v ", "1\t x\u3000 "):
        for lines in (1, 40):
            (row, *_) = rows_of(parsed((text + "\n").encode() * lines, options))
            assert list(row) == ["1\t", text[3:5]]  # type: ignore[call-overload]


def test_a_short_line_has_empty_fields_and_a_cut_one() -> None:
    assert fields_of("  1An") == ["  1", "An", ""]


def test_a_line_may_be_longer_by_blanks_only() -> None:
    assert fields_of("  1Ann  0131   ") == ["  1", "Ann", "0131"]
    assert reasons_of(b"  1Ann  0131 x\n") == ["has 14 characters, and its fields end at 12"]


def test_lines_may_have_to_be_exact() -> None:
    exact = replace(FIXED, line_length=LineLength.EXACT)
    assert reasons_of(b"  1Ann  013\n  1Ann  0131\n  1Ann  0131 \n", exact) == [
        "has 11 characters, expected 12",
        "has 13 characters, expected 12",
    ]


def test_lines_may_hold_more_than_the_fields_of_the_route() -> None:
    assert fields_of("  1Ann  0131xyz", replace(FIXED, line_length=LineLength.ANY)) == ["  1", "Ann", "0131"]


def test_the_last_field_may_end_with_the_line() -> None:
    options = replace(FIXED, fields=("id 1-3", "rest 4-"))
    assert fields_of("  1 a long text ", options) == ["  1", " a long text"]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends_are_no_part_of_a_field(end: str) -> None:
    lines = ["  1Ann  0131", "  2Bob  0201", "", "  3C"]
    for data in (end.join(lines), end.join(lines) + end):
        rows = rows_of(parsed(data.encode(), FIXED))
        assert [list(row) for row in rows] == [["  1", "Ann", "0131"], ["  2", "Bob", "0201"], ["  3", "C", ""]]  # type: ignore[call-overload]


def test_blank_lines_are_not_records_also_among_lines_of_one_length() -> None:
    data = b"1  a\n    \n2  b\n" + b"3  c\n" * 10
    rows = rows_of(parsed(data, replace(FIXED, fields=("a 1-3", "b 4"))))
    assert len(rows) == 12


# Units


def test_positions_count_characters() -> None:
    assert fields_of("  1Zoë€ 0131") == ["  1", "Zoë€", "0131"]


def test_positions_may_count_bytes() -> None:
    by_bytes = replace(FIXED, units=Units.BYTES)
    assert fields_of("  1Zoë 0131", by_bytes) == ["  1", "Zoë", "0131"]
    assert fields_of("  1Zoeé0131", by_bytes) == ["  1", "Zoeé", "0131"]
    assert reasons_of("  1Zoe€013".encode(), by_bytes) == ["the field 'name' is not utf-8 at byte 7 of the line"]


def test_bytes_are_those_of_the_source() -> None:
    options = replace(FIXED, units=Units.BYTES, encoding="cp932", fields=("name 1-4", "code +2"))
    assert rows_of(parsed("東京01\nab  02\n".encode("cp932"), options)) == [("東京", "01"), ("ab", "02")]
    assert reasons_of("a東京1\n".encode("cp932"), options) == ["the field 'name' is not cp932 at byte 4 of the line"]


def test_positions_in_bytes_are_not_for_utf_16() -> None:
    with pytest.raises(InvalidRouteError, match="not for utf-16-le"):
        parsed("a".encode("utf-16"), replace(FIXED, units=Units.BYTES))


def test_a_line_that_cannot_be_decoded_is_rejected_at_its_byte() -> None:
    assert reasons_of(b"  1Ann  0131\n  2B\xffb  0201\n") == ["not utf-8 at byte 17"]


def test_a_line_over_the_limit_is_rejected_unread() -> None:
    data = b"  1Ann  0131\n" + b"x" * 50 + b"\n  2Bob  0201\n"
    batches = parsed(data, replace(FIXED, max_record=20))
    assert rejects_of(batches) == [(2, "longer than 20 bytes")]
    assert len(rows_of(batches)) == 2


# Record types


def test_only_lines_with_the_prefix_are_records() -> None:
    data = b"01HEADER 20240101\n02  1Ann\n02  2Bob\n\n0\n99 2\n"
    options = replace(FIXED, fields=("id 3-5", "name +5"), record_prefix="02")
    batches = parsed(data, options)
    assert [list(row) for row in rows_of(batches)] == [["  1", "Ann"], ["  2", "Bob"]]  # type: ignore[call-overload]
    assert batches[0].position(1).row == 2
    long = b"99" + b"x" * 50 + b"\n"
    assert not rejects_of(parsed(long + data + long, replace(options, max_record=20)))


# Properties

TEXTS = st.text("aé€ 0\t\u00a0", max_size=3)
LINE = st.tuples(TEXTS, TEXTS, TEXTS)


@given(
    st.lists(LINE, max_size=12),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.sampled_from(["utf-8", "cp1252", "utf-16", "cp932"]),
    st.sampled_from(BATCHES),
)
@settings(max_examples=examples(120), deadline=None)
def test_what_is_padded_is_read_back(
    records: list[tuple[str, str, str]], end: str, ended: bool, encoding: str, batch_bytes: int
) -> None:
    records = [tuple(field.encode(encoding, "ignore").decode(encoding) for field in record) for record in records]  # type: ignore[misc]
    lines = ["".join(field.ljust(3) for field in record) for record in records]
    data = (end.join(lines) + (end if ended else "")).encode(encoding)
    options = replace(FIXED, fields=("a +3", "b +3", "c +3"), encoding=encoding)
    batches = assert_chunks_do_not_matter(data, options, batch_bytes)
    filled = [record for record, line in zip(records, lines, strict=True) if line.strip(" \t")]
    expected = [[field.rstrip(" ") for field in record] for record in filled]
    assert [list(row) for row in rows_of(batches)] == expected  # type: ignore[call-overload]
    assert not rejects_of(batches)
    assert_every_boundary_can_be_entered(data, options, batch_bytes)


LINES = st.lists(st.sampled_from(["02ab", "02", "0", "", "  ", "03xx", "02abcdef", "02\u00e9", "\t"]), max_size=12)


@given(LINES, st.sampled_from(["\n", "\r\n"]), st.sampled_from(["", "0", "02"]), st.sampled_from([3, 1000]))
@settings(max_examples=examples(120), deadline=None)
def test_cut_at_any_byte_the_parts_have_the_records_of_the_whole(
    lines: list[str], end: str, prefix: str, most: int
) -> None:
    data = end.join(lines).encode()
    options = ParseOptions(Format.FIXED, fields=("a 1-2", "b 3-4"), record_prefix=prefix, max_record=most)
    whole = records_of([data], options)
    within = open_source([data], options)
    for size in (1, 3, 7):
        counting = boundaries_for(options, data[:HEAD])
        assert counting
        marks = every_mark(counting, data, size)
        text = counting.state.text
        surveys = [survey([piece], text, at * size) for at, piece in enumerate(pieces_of(data, size))]
        if surveys:
            assert stitch(surveys) == marks[:-1]
        for start in marks:
            part = replace(within, offset=start.offset, row=start.row)
            tail = records_of(pieces_of(data[start.offset :], 5), options, part)
            assert tail == [record for record in whole if record.row >= start.row]


def test_equal_and_unequal_lines_give_the_same_rows() -> None:
    lines = [f"{number:3}{name:5}{day:4}" for number in range(40) for name, day in (("Ann", "0131"), ("", "1"))]
    equal = parsed("\n".join(lines).encode() + b"\n", FIXED, batch_bytes=65536)
    cut = parsed("\n".join(line.rstrip() for line in lines).encode(), FIXED, batch_bytes=65536)
    assert isinstance(equal[0].rows, ColumnarRows)
    assert isinstance(cut[0].rows, ColumnarRows)
    assert rows_of(equal) == rows_of(cut)
    bad = parsed("\n".join([*lines, "x" * 13]).encode(), FIXED, batch_bytes=65536)
    assert [tuple(row) for row in rows_of(bad)] == rows_of(equal)  # type: ignore[arg-type]


def test_a_source_that_cannot_be_cut_at_bytes_is_not() -> None:
    assert boundaries_for(replace(FIXED, encoding="utf-16"), b"") is None
    assert open_source([b"\xef\xbb\xbf  1"], FIXED) == Within(3, 1, "utf-8")


def test_a_line_end_within_lines_of_one_length_ends_a_line() -> None:
    rows = rows_of(
        parsed(b"abc\n" * 10 + b"a\nc\n" + b"abc\n" * 3, replace(FIXED, fields=("x 1-3",)), batch_bytes=65536)
    )
    assert [row[0] for row in rows] == ["abc"] * 10 + ["a", "c"] + ["abc"] * 3  # type: ignore[index]
