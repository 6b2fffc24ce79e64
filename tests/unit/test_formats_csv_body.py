"""The records of a CSV by the options of a route: comments, quotes that are text, escapes, footers, surplus fields."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

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
from penstock.errors import HeaderRowError, InvalidRouteError, TruncatedSourceError, UnclosedQuoteError
from penstock.formats import ignored_options, open_source, parse
from penstock.formats.boundaries import boundaries_for, text_of
from penstock.formats.csv import footer
from penstock.model.parse_options import FOOTER_BYTES, Extra, Format, ParseOptions
from penstock.model.record import Batch, CsvValidator, RawCsv
from record_starts import Record, every_mark, pieces_of, records_of

CSV = ParseOptions(format=Format.CSV)
AB = replace(CSV, header=False, columns=("a", "b"))
COMMENTED = replace(AB, comment="#")


def one(data: bytes, options: ParseOptions) -> Batch:
    (batch,) = parsed(data, options, batch_bytes=65536)
    return batch


def rows(data: bytes, options: ParseOptions) -> list[object]:
    return list(one(data, options).rows)


@st.composite
def files(draw: st.DrawFn) -> tuple[bytes, ParseOptions, list[list[str]]]:
    """A file in a random dialect, with comments and a footer: its bytes, how to read it, and its rows."""
    delimiter = draw(st.sampled_from(",;\t|"))
    quote = draw(st.sampled_from(['"', "'", ""]))
    escape = draw(st.sampled_from(["", "\\"]))
    comment = draw(st.sampled_from(["", "#", "%"]))
    encoding = draw(st.sampled_from(["utf-8", "cp1252", "utf-16"]))
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    special = [delimiter, "\r", "\n", *quote, *escape]

    def field(text: str) -> str:
        if escape and (not quote or draw(st.booleans())):
            return "".join(escape + sign if sign in [*special, *comment] else sign for sign in text)
        plain = text.replace(escape, escape * 2) if escape else text
        if quote and (set(text) & {*special, *comment} or draw(st.booleans())):
            return quote + plain.replace(quote, quote * 2) + quote
        return plain

    letters = st.sampled_from("ab #%,;'\"|\t\r\nTé")
    width = draw(st.integers(2, 3))
    texts = st.text(letters, max_size=5)
    wanted = draw(st.lists(st.lists(texts, min_size=width, max_size=width), max_size=6))
    if not (quote or escape):
        unwritable = str.maketrans("", "", "".join(special) + comment)
        wanted = [[text.translate(unwritable) for text in row] for row in wanted]
    surplus = draw(st.booleans())
    lines = [delimiter.join(f"c{number}" for number in range(width))]
    for row in wanted:
        if comment and draw(st.booleans()):
            lines.append(comment + draw(st.text(letters, max_size=5)).translate({10: None, 13: None}) + escape)
        more = [delimiter + field("x")] if surplus and draw(st.booleans()) else []
        lines.append("".join([delimiter.join(map(field, row)), *more]))
    options = ParseOptions(
        format=Format.CSV,
        delimiter=delimiter,
        quote=quote,
        escape=escape,
        comment=comment,
        encoding=encoding,
        extra=Extra.IGNORE if surplus else Extra.REJECT,
    )
    footer = draw(st.sampled_from(["", "skip", "match"]))
    if footer == "skip":
        lines += ["Sum: 9", 'It is "over']
        options = replace(options, skip_footer=2)
    if footer == "match":
        lines += [f"Rows: {len(wanted)}", 'It is "over']
        options = replace(options, footer=r"^Rows: (?P<rows>\d+)$")
    text = end.join(lines) + draw(st.sampled_from(["", end, end * 2]))
    return text.encode(encoding, "replace"), options, wanted


@given(files(), st.sampled_from(BATCHES))
@settings(max_examples=examples(200), deadline=None)
def test_what_is_written_in_any_dialect_is_read_back(
    file: tuple[bytes, ParseOptions, list[list[str]]], batch_bytes: int
) -> None:
    data, options, wanted = file
    if options.encoding == "cp1252":
        data.decode("cp1252")
    batches = assert_chunks_do_not_matter(data, options, batch_bytes)
    assert (rows_of(batches), rejects_of(batches)) == (wanted, [])
    assert_every_boundary_can_be_entered(data, options, batch_bytes)


def test_a_comment_stands_where_a_record_could_begin() -> None:
    data = b'#top\n1,"x\n#y"\n#z"\n 2,#\n\n#\r\n3,4\n#end'
    assert rows(data, COMMENTED) == [["1", "x\n#y"], [" 2", "#"], ["3", "4"]]


def test_comments_precede_the_header_and_count_in_no_row_number() -> None:
    batch = one(b"# made by x\na,b\n# first\n1,2\n3\n", replace(CSV, comment="#"))
    assert (batch.names, list(batch.rows)) == (("a", "b"), [["1", "2"]])
    assert (batch.rejects[0].position.row, batch.rejects[0].position.offset) == (2, 28)


def test_a_comment_of_any_length_is_none_of_the_records() -> None:
    data = b"1,2\n#" + b'"' * 5000 + b"\n3,4\n#" + b"x" * 5000
    for batch_bytes in BATCHES:
        batches = assert_chunks_do_not_matter(data, replace(COMMENTED, max_record=100), batch_bytes)
        assert rows_of(batches) == [["1", "2"], ["3", "4"]]
        assert rejects_of(batches) == []


def test_comments_in_another_encoding_are_not_decoded() -> None:
    assert rows(b"# caf\xe9\n1,2\n", COMMENTED) == [["1", "2"]]
    assert one("#é,\n1,2\n3\n".encode("utf-16"), COMMENTED).rejects[0].position.offset == 18


def test_an_open_quote_after_comments_is_told_at_its_place() -> None:
    with pytest.raises(UnclosedQuoteError) as raised:
        parsed(b'# "\n"a', replace(CSV, comment="#"))
    assert raised.value.offset == 4


@pytest.mark.parametrize("comment", ["ab", "é", ",", '"', "\n"])
def test_what_cannot_be_a_comment_is_refused(comment: str) -> None:
    with pytest.raises(InvalidRouteError, match=r"parse\.comment"):
        parsed(b"1,2\n", replace(AB, comment=comment))


def test_comments_need_signs_of_one_byte() -> None:
    with pytest.raises(InvalidRouteError, match=r"parse\.comment needs a delimiter and a quote of one byte"):
        parsed(b"1\xc2\xa72\n", replace(COMMENTED, delimiter="§"))


def test_quotes_are_text_and_end_no_record_less() -> None:
    assert rows(b'"1,5" x\n2,"\n', replace(AB, quote="")) == [['"1', '5" x'], ["2", '"']]


def test_surplus_fields_are_left_out_where_the_route_says_so() -> None:
    data = b"1,2,3\n4,5\n6\n7,8,,\n"
    batch = one(data, replace(AB, extra=Extra.IGNORE))
    assert (list(batch.rows), rejects_of([batch])) == (
        [["1", "2"], ["4", "5"], ["7", "8"]],
        [(3, "expected 2 fields, found 1")],
    )
    assert batch.position(2).raw == "7,8,,"
    assert next(reason for _, reason in rejects_of([one(data, AB)])) == "expected 2 fields, found 3"


@pytest.mark.parametrize("end", ["", "\n", "\n\n\n", "\r\n"])
@pytest.mark.parametrize("lines", [1, 2])
def test_the_last_lines_are_no_records(lines: int, end: str) -> None:
    data = b'1,2\n3,4\n"5,6' + end.encode()
    assert rows(data, replace(AB, skip_footer=lines)) == [["1", "2"], ["3", "4"]][: 3 - lines]


def test_blank_lines_within_a_footer_are_lines() -> None:
    assert rows(b"1,2\n\nTotal\n\n", replace(AB, skip_footer=2)) == [["1", "2"]]


@pytest.mark.parametrize("data", [b"a,b\n", b"a,b\nTotal\n\n"])
def test_a_footer_of_more_lines_than_follow_the_header_is_an_error(data: bytes) -> None:
    with pytest.raises(TruncatedSourceError, match=r"parse\.skip_footer is 2, but there is (no|only 1) line"):
        parsed(data, replace(CSV, skip_footer=2))


@pytest.mark.parametrize("lines", [1, FOOTER_BYTES // 4])
def test_a_quote_that_hides_the_footer_is_named(lines: int) -> None:
    data = b'1,"a\n' + b"2,b\n" * lines + b"Total\n"
    with pytest.raises(UnclosedQuoteError, match=r"the quote opened here, in row 1, .*byte 2"):
        parsed(data, replace(AB, footer="^Total"))
    with pytest.raises(TruncatedSourceError, match="no line matches"):
        parsed(data.replace(b'"', b""), replace(AB, footer="^Sum"))


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xef\xbb\xbf", b"#x\n"])
@pytest.mark.parametrize("options", [CSV, AB])
@pytest.mark.parametrize("footer", [{"footer": "^Total"}, {"skip_footer": 2}])
def test_an_empty_file_lacks_its_footer(data: bytes, options: ParseOptions, footer: dict[str, Any]) -> None:
    with pytest.raises(TruncatedSourceError, match=r"no line matches|skip_footer is 2, but there is"):
        parsed(data, replace(options, comment="#", **footer))


@pytest.mark.parametrize("options", [CSV, AB])
def test_a_file_may_be_a_footer_alone_that_is_a_comment(options: ParseOptions) -> None:
    options = replace(options, comment="#", footer=r"^# rows (?P<rows>\d+)")
    assert rows_of(parsed(b"# rows 0\n", options)) == []
    with pytest.raises(TruncatedSourceError, match="the footer declares 3 records, the file has 0"):
        parsed(b"# rows 3\n", options)


def test_last_lines_that_are_too_long_are_an_error() -> None:
    data = b"1,2\n" + b"x" * FOOTER_BYTES + b"\nlast\n"
    with pytest.raises(TruncatedSourceError, match="the last 2 lines have more than 65,536 bytes"):
        parsed(data, replace(AB, skip_footer=2), chunk=1000, batch_bytes=10**6)


TOTAL = replace(CSV, footer=r"^(Total|# ?Rows)[^\d]*(?P<rows>[\d.,']+)?", comment="#")


@pytest.mark.parametrize(
    "footer",
    [
        "Total: 2",
        "Total;;2\n",
        "Total: 2\nmade by x\n\nat y",
        'Total "2\nmade "by',
        "Total,2\n",
        "# Rows 2",
        "\n\nTotal: 02\n\n",
        "Total,2\nTotal,9",
    ],
)
def test_a_footer_begins_at_the_first_line_that_matches_after_the_last_record(footer: str) -> None:
    data = f'a,b\n1,"x\nTotal y"\n2,z\n{footer}'.encode()
    for batch_bytes in BATCHES:
        batches = assert_chunks_do_not_matter(data, TOTAL, batch_bytes)
        assert rows_of(batches) == [["1", "x\nTotal y"], ["2", "z"]]
        assert_every_boundary_can_be_entered(data, TOTAL, batch_bytes)


def test_a_matched_line_that_records_follow_is_a_reject() -> None:
    data = b"a,b\nTotal x,1\n2,z\nTotal: 2\n"
    batch = one(data, TOTAL)
    assert (list(batch.rows), rejects_of([batch])) == (
        [["2", "z"]],
        [(1, "the line matches parse.footer, but records follow it")],
    )


@pytest.mark.parametrize(
    ("data", "message", "offset"),
    [
        (b"a,b\n1,2\n", "after the last record, no line matches parse.footer", 8),
        (b"a,b\n", "after the last record, no line matches parse.footer", 4),
        (b"a,b\n1,2\nTotal: 1\n3,4\n", "matches this line, but records follow it, and no footer", 8),
        (b"a,b\n1,2\nTotal: 3\n", "the footer declares 3 records, the file has 1", 8),
        (b"a,b\nTotal: 1.000\n", "the footer declares 1,000 records, the file has 0", 4),
        (b"a,b\n1,2\nTotal: 1.5\n", "the footer declares no number of records: '1.5'", 8),
        (b"a,b\n1,2\nTotal\n", "the footer declares no number of records: ''", 8),
    ],
)
def test_a_file_that_contradicts_its_footer_is_an_error(data: bytes, message: str, offset: int) -> None:
    for batch_bytes in BATCHES:
        with pytest.raises(TruncatedSourceError, match=message) as raised:
            parsed(data, TOTAL, batch_bytes=batch_bytes)
        assert raised.value.offset == offset


def test_long_lines_are_not_searched_for_a_footer() -> None:
    data = b"1," + b"x" * 400_000 + b"\nTotal\n"
    assert rows(data, replace(AB, footer=r"x+(x|y)+z|^Total")) == [["1", "x" * 400_000]]


def test_rejects_count_as_records_that_a_footer_declares() -> None:
    assert rejects_of([one(b"a,b\n1\n2,3\nTotal: 2\n", TOTAL)]) == [(1, "expected 2 fields, found 1")]


def test_a_footer_is_found_at_the_end_of_a_large_file_in_bounded_memory() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"a,b\n"
        for _ in range(50):
            yield (b'1,"Total\n' + b"x" * 1000 + b'"\n') * 100
        yield b"Total: 5,000\n"

    tracemalloc.start()
    count = sum(batch.count for batch in parse(chunks(), TOTAL, batch_bytes=20_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 5_000
    assert peak < 4 * 1024 * 1024


def test_a_footer_is_found_in_another_encoding_wherever_characters_are_cut() -> None:
    data = ("a,b\n" + "1,😀é€\n" * 20_000 + "Total: 20.001\n").encode("utf-16")
    with pytest.raises(TruncatedSourceError, match="20,001 records, the file has 20,000") as raised:
        list(parse(chunked(data, 9_999), TOTAL, batch_bytes=100_000))
    assert raised.value.offset == len(data) - 28


def test_last_lines_need_no_signs_of_one_byte() -> None:
    assert rows("1§2\nTotal\n".encode(), replace(AB, delimiter="§", skip_footer=1)) == [["1", "2"]]


def test_only_the_last_span_has_the_footer() -> None:
    data = b"a,b\n1,2\n3,4\nTotal: 2\n"
    within = replace(open_source([data], TOTAL), is_last=False)
    (first,) = parse([data[4:8]], TOTAL, batch_bytes=100, within=within)
    (last,) = parse([data[8:]], TOTAL, batch_bytes=100, within=replace(within, offset=8, row=2, is_last=True))
    assert (list(first.rows), list(last.rows)) == ([["1", "2"]], [["3", "4"]])


def validator(names: tuple[str, ...], delimiter: str, quote: str) -> CsvValidator | None:
    """Accept every text of two fields that it gets."""
    return lambda text: RawCsv(text, text.count(b"\n"), names, delimiter, quote)


def test_neither_comments_nor_what_is_like_a_footer_is_handed_on_unparsed() -> None:
    data = b"a,b\n1,2\nTotal x,y\n3,4\nTotal: 3\n"
    (batch,) = parse([data], TOTAL, batch_bytes=1000, validator_factory=validator)
    assert batch.raw_csv is None
    (batch,) = parse([b"a,b\n1,2\nTotal: 1\n"], TOTAL, batch_bytes=1000, validator_factory=validator)
    assert batch.raw_csv
    assert batch.raw_csv.text == b"1,2\n"
    (batch,) = parse([b"1,2\n#3,4\n"], COMMENTED, batch_bytes=1000, validator_factory=validator)
    assert batch.raw_csv
    assert b"#" not in batch.raw_csv.text


def test_a_text_names_its_comment_only_where_there_is_one() -> None:
    text = text_of(COMMENTED, b"1,2\n")
    assert text
    assert text.comment == "#"
    assert text_of(replace(AB, footer="^T"), b"1,2\n") == text_of(AB, b"1,2\n")


def test_other_formats_ignore_the_options_of_a_csv() -> None:
    options = replace(COMMENTED, format=Format.JSONL, skip_footer=1, footer="x", extra=Extra.IGNORE)
    assert {"comment", "skip_footer", "footer", "extra"} <= set(ignored_options(options))


def test_an_expression_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(InvalidRouteError, match=r"parse\.footer is no regular expression"):
        parsed(b"1,2\n", replace(AB, footer="("))


def test_a_header_after_comments_that_are_too_long_is_an_error() -> None:
    with pytest.raises(HeaderRowError, match="longer than 100 bytes"):
        parsed(b"#" + b"x" * 200 + b"\na,b\n", replace(CSV, comment="#", max_record=100))


@pytest.mark.parametrize("options", [{"skip_footer": 1}, {"footer": "^Total"}])
def test_comments_and_a_footer_do_not_hide_the_delimiter(options: dict[str, Any]) -> None:
    data = b"# by x, y\nid;name\n# z\n1;a\n2;b\nTotal: 2\n\n"
    batch = one(data, replace(CSV, comment="#", **options))
    assert (batch.names, list(batch.rows)) == (("id", "name"), [["1", "a"], ["2", "b"]])


def test_a_header_is_not_looked_for_in_comments() -> None:
    data = b"# of,id,name\nby x\nname,id\na,1\n"
    batch = one(data, replace(CSV, comment="#", find_header=True, declared=("id", "name")))
    assert (batch.names, list(batch.rows)) == (("name", "id"), [["a", "1"]])


FOOTER_PARTS = st.sampled_from(["a,b\n", "T,1\n", "T\n", "#T\n", '"a\nT",b\r\n', '"', "x", ",", "\n", "\r", '"T"\n'])


@given(st.lists(FOOTER_PARTS, max_size=14).map("".join))
@settings(max_examples=examples(400), deadline=None)
def test_cut_before_the_last_bytes_the_parts_have_the_records_and_the_footer_of_the_whole(text: str) -> None:
    data, options = text.encode() + b"T\n", replace(COMMENTED, footer="^#?T")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(footer, "FOOTER_BYTES", 8)
        try:
            expected = records_of([data], options)
        except (TruncatedSourceError, UnclosedQuoteError) as error:
            expected = [Record(0, error.offset, str(error))]
        counting = boundaries_for(options, data)
        assert counting
        within = open_source([data], options)
        for start in every_mark(counting, data, 1):
            if 0 < start.offset <= len(data) - 8:
                first = replace(within, is_last=False)
                last = replace(within, offset=start.offset, row=start.row)
                try:
                    found = records_of([data[: start.offset]], options, first)
                    found += records_of(pieces_of(data[start.offset :], 3), options, last)
                except (TruncatedSourceError, UnclosedQuoteError) as error:
                    found = [Record(0, error.offset, str(error))]
                assert found == expected
