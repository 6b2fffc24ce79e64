"""CSV: the records of the csv module over the whole text, whatever the chunks, the batches and the encoding."""

from __future__ import annotations

import csv
import io
import tracemalloc
from collections.abc import Iterator

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
    CorruptSourceError,
    HeaderRowError,
    InvalidRouteError,
    TruncatedSourceError,
    UnclosedQuoteError,
)
from penstock.formats import parse
from penstock.model.load import Resume
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.record import RAW_LIMIT, Batch

CSV = ParseOptions(format=Format.CSV)
AB = ParseOptions(format=Format.CSV, header=False, columns=("a", "b"))
UNICODE = ("utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-be", "gb18030")
NARROW = ("latin-1", "cp1252", "cp037", "shift_jis")


def table(rows: list[list[str]], **dialect: object) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, **dialect).writerows(rows)  # type: ignore[arg-type]  # drawn at random
    return text.getvalue()


@st.composite
def written_tables(draw: st.DrawFn) -> tuple[bytes, ParseOptions, list[list[str]]]:
    """A table as csv.writer writes it: its bytes, how to read it, and its rows."""
    encoding = draw(st.sampled_from(UNICODE + NARROW))
    narrow = encoding in NARROW
    letters = st.sampled_from("abc ,;|'\"\t\r\n" + ("" if narrow else "é€😀\u2028\x85\x0b"))
    width = draw(st.integers(1, 4))
    fields = st.text(letters, max_size=6)
    rows = draw(st.lists(st.lists(fields, min_size=width, max_size=width), max_size=8))
    delimiter = draw(st.sampled_from(",;\t|" if narrow else ",;\t|§"))
    quote = draw(st.sampled_from("\"'"))
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    # Left to itself, the writer of Python 3.11 quotes only those line ends that it writes itself.
    broken = any("\r" in field or "\n" in field for row in rows for field in row)
    quoting = csv.QUOTE_ALL if broken else draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    names = [f"c{number}" for number in range(width)]
    text = table([names, *rows], delimiter=delimiter, quotechar=quote, lineterminator=end, quoting=quoting)
    if draw(st.booleans()):
        text = text.removesuffix(end)
    options = ParseOptions(format=Format.CSV, delimiter=delimiter, quote=quote, encoding=encoding)
    return text.encode(encoding), options, rows


@given(written_tables(), st.sampled_from(BATCHES))
@settings(max_examples=examples(150), deadline=None)
def test_what_the_csv_module_writes_is_read_back(
    written: tuple[bytes, ParseOptions, list[list[str]]], batch_bytes: int
) -> None:
    data, options, rows = written
    batches = assert_chunks_do_not_matter(data, options, batch_bytes)
    assert rows_of(batches) == rows
    assert not rejects_of(batches)
    assert_every_boundary_can_be_entered(data, options, batch_bytes)


def records(text: str) -> Iterator[list[str]]:
    """The csv module's records of a text that is in no quotes at the end, blank lines left out."""
    *complete, end = csv.reader([*io.StringIO(text, newline=""), ","])
    assert end == ["", ""]
    return (record for record in complete if record)


def is_strict(record: str) -> bool:
    """Whether the csv module takes it without a guess."""
    try:
        list(csv.reader(io.StringIO(record, newline=""), strict=True))
    except csv.Error:
        return False
    return True


LF = st.text('ab,"\n', max_size=40)
ANY = st.text('ab,"\n\r', max_size=40)


@given(LF | LF.map(lambda text: text.replace("\n", "\r\n")) | ANY, st.sampled_from(BATCHES), st.sampled_from([5, 1000]))
@settings(max_examples=examples(400), deadline=None)
def test_any_text_is_cut_where_the_csv_module_cuts_it(text: str, batch_bytes: int, max_record: int) -> None:
    data = text.encode()
    options = ParseOptions(format=Format.CSV, header=False, columns=("a", "b"), max_record=max_record)
    try:
        expected = list(records(text))
    except AssertionError:
        with pytest.raises(UnclosedQuoteError):
            parsed(data, options, batch_bytes=batch_bytes)
        return
    batches = assert_chunks_do_not_matter(data, options, batch_bytes)
    assert sum(batch.count for batch in batches) == len(expected)
    by_row = {
        batch.position(i).row: (row, batch.position(i).raw) for batch in batches for i, row in enumerate(batch.rows)
    }
    assert {row: fields for row, (fields, _) in by_row.items()}.items() <= dict(enumerate(expected, 1)).items()
    assert all(is_strict(raw) for _, raw in by_row.values())
    raws = {reject.position.row: reject.position.raw for batch in batches for reject in batch.rejects}
    for row, reason in rejects_of(batches):
        ragged = reason == f"expected 2 fields, found {len(expected[row - 1])}" and is_strict(raws[row])
        stray = "follows the closing quote of field" in reason and not is_strict(raws[row])
        assert reason.startswith("longer than") or ragged or stray
    assert_every_boundary_can_be_entered(data, options, batch_bytes)


@given(LF, st.sampled_from(BATCHES))
@settings(max_examples=examples(100), deadline=None)
def test_the_bytes_of_a_batch_hold_its_records(text: str, batch_bytes: int) -> None:
    data = (text + '"' * (text.count('"') % 2) + "\n").encode()
    try:
        batches = parsed(data, AB, batch_bytes=batch_bytes)
    except UnclosedQuoteError:
        return
    for batch in batches:
        (alone,) = parsed(data[batch.offset : batch.end], AB, batch_bytes=len(data))
        assert list(alone.rows) == list(batch.rows)
        assert len(alone.rejects) == len(batch.rejects)
        for index in range(len(batch.rows)):
            place = batch.position(index)
            assert data[place.offset :].decode().startswith(place.raw)


def one(data: bytes, options: ParseOptions = CSV) -> Batch:
    (batch,) = parsed(data, options, batch_bytes=65536)
    return batch


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("declared", ["utf-8", "latin-1"])
def test_a_byte_order_mark_decides_the_encoding(encoding: str, declared: str) -> None:
    data = "\ufeffname\nZürich\n".encode(encoding)
    batch = one(data, ParseOptions(format=Format.CSV, encoding=declared))
    assert (batch.names, batch.rows) == (("name",), [["Zürich"]])


def test_offsets_count_bytes_of_the_source_whatever_the_encoding() -> None:
    data = "\ufeffname;n\r\nZürich;1\r\nBern;2;3\r\n東京;3\r\n".encode("utf-16-le")
    batch = one(data, ParseOptions(format=Format.CSV, delimiter=";"))
    assert data[batch.rejects[0].position.offset :].decode("utf-16-le").startswith("Bern")
    assert data[batch.position(1).offset :].decode("utf-16-le").startswith("東京")
    assert batch.end == len(data)


@pytest.mark.parametrize("line", ["sep=;\r\n", '"sep=;"\n', "SEP=;\r"])
def test_the_separator_line_of_excel_names_the_delimiter(line: str) -> None:
    batch = one(f"{line}a;b\n1;2\n".encode())
    assert (batch.names, batch.rows) == (("a", "b"), [["1", "2"]])


def test_a_separator_line_is_no_record_when_a_load_goes_on() -> None:
    data = b"sep=;\na;b\n1;2\n3;4\n"
    (batch,) = parsed(data, CSV, resume=Resume(offset=data.index(b"3;4"), row=2))
    assert (batch.first_row, batch.names, batch.rows) == (2, ("a", "b"), [["3", "4"]])


def test_quotes_are_text_where_the_route_says_so() -> None:
    batch = one(b'a\tb\n"x\ty"\n', ParseOptions(format=Format.CSV, delimiter="\t", quote=""))
    assert batch.rows == [['"x', 'y"']]


def test_stray_quotes_inside_fields_are_text() -> None:
    batch = one(b'size,name\n5" pipe,a\n3"2" x,b\n')
    assert batch.rows == [['5" pipe', "a"], ['3"2" x', "b"]]


@pytest.mark.parametrize("others", ["", "3,4\n" * 5, '"3","4"\n' * 5, '"3\n","4"\n', "5,\xff\n", "ragged\n", "\r\n"])
@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ('"x"y,1', "'y' follows the closing quote of field 1"),
        ('1,"x" ', "' ' follows the closing quote of field 2"),
        ('"a""b"c"d",1', "'c' follows the closing quote of field 1"),
        ('"a\nb"c,"1"', "'c' follows the closing quote of field 1"),
        ('"a",,"x"y', "'y' follows the closing quote of field 3"),
        ('""x,1', "'x' follows the closing quote of field 1"),
    ],
)
def test_text_behind_a_closing_quote_is_a_reject_and_not_a_guess(record: str, reason: str, others: str) -> None:
    data = f"a,b\n{others}{record}\n{others}".encode("latin-1")
    for batch_bytes in BATCHES:
        batches = parsed(data, CSV, batch_bytes=batch_bytes)
        assert sum(one == reason for _, one in rejects_of(batches)) == 1
        assert all(isinstance(row, list | tuple) and len(row) == 2 and "y" not in row[0] for row in rows_of(batches))
        assert_every_boundary_can_be_entered(data, CSV, batch_bytes)


def test_text_behind_a_closing_quote_of_the_header_fails_the_file() -> None:
    with pytest.raises(HeaderRowError, match="'b' follows the closing quote of field 1"):
        one(b'"a"b,c\n1,2\n')


BACKSLASHED = b'id,name,j\n1,"He said \\"hi\\"","{\\"a\\":1}"\n2,"C:\\\\dir\\\\",x\n'


def test_quotes_behind_backslashes_are_named_as_the_cause() -> None:
    batch = one(BACKSLASHED)
    (reject,) = batch.rejects
    assert reject.position.row == 1
    assert reject.reason.startswith(
        "'h' follows the closing quote of field 2. Quotes seem to be escaped by backslashes"
    )
    assert 'parse.escape = "\\\\"' in reject.reason
    ragged = one(b'a,b\n1,"\\",2\n').rejects[0].reason
    assert ragged.startswith("expected 2 fields, found 3. Quotes seem to be escaped")
    with pytest.raises(UnclosedQuoteError) as caught:
        one(b'a,b\n1,"x\\""\n2,y\n')
    assert "parse.escape" in caught.value.hint


def test_an_escape_makes_text_of_what_follows() -> None:
    options = ParseOptions(format=Format.CSV, escape="\\")
    batch = one(BACKSLASHED, options)
    assert batch.rows == [["1", 'He said "hi"', '{"a":1}'], ["2", "C:\\dir\\", "x"]]
    other = b'a,b\n1\\,5,x\\ny\n"q""q\\"",z\nline\\\nend,\\\\\n"","\\\\"\n7,\\'
    assert one(other, options).rows == [
        ["1,5", "xny"],
        ['q"q"', "z"],
        ["line\nend", "\\"],
        ["", "\\"],
        ["7", "\\"],
    ]


@st.composite
def escaped_tables(draw: st.DrawFn) -> tuple[bytes, ParseOptions, list[list[str]]]:
    """A table whose writer escapes: some fields in quotes, some not."""
    encoding = draw(st.sampled_from(("utf-8", "utf-16", "latin-1", "shift_jis")))
    delimiter = draw(st.sampled_from([",", "\t", "|"] if encoding != "utf-8" else [",", "\t", "§"]))
    escape = draw(st.sampled_from("\\x!"))
    letters = st.sampled_from('abx!\\"\r\n,' + delimiter)
    width = draw(st.integers(1, 3))
    rows = draw(st.lists(st.lists(st.text(letters, max_size=6), min_size=width, max_size=width), max_size=6))

    def field(text: str) -> str:
        quoted = draw(st.booleans()) or not text
        special = {escape, '"'} if quoted else {escape, '"', delimiter, "\r", "\n"}
        return '"' * quoted + "".join(escape * (sign in special) + sign for sign in text) + '"' * quoted

    lines = [delimiter.join(map(field, row)) for row in [[f"c{n}" for n in range(width)], *rows]]
    options = ParseOptions(format=Format.CSV, delimiter=delimiter, escape=escape, encoding=encoding)
    end = draw(st.sampled_from(["\n", "\r\n"]))
    return (end.join(lines) + end).encode(encoding), options, rows


@given(escaped_tables(), st.sampled_from(BATCHES))
@settings(max_examples=examples(150), deadline=None)
def test_what_is_written_with_an_escape_is_read_back(
    written: tuple[bytes, ParseOptions, list[list[str]]], batch_bytes: int
) -> None:
    data, options, rows = written
    batches = assert_chunks_do_not_matter(data, options, batch_bytes)
    assert rows_of(batches) == rows
    assert not rejects_of(batches)
    assert_every_boundary_can_be_entered(data, options, batch_bytes)


@pytest.mark.parametrize("end", [0, 1, 2, 3])
def test_a_record_that_is_too_long_ends_where_its_escapes_say(end: int) -> None:
    long = b'"' + b"a" * (256 * 1024 - 8 + end) + b'\\"\\\\\\"\n' + b'",2\n'
    options = ParseOptions(format=Format.CSV, escape="\\", max_record=100)
    batches = parsed(b"a,b\n" + long + b"3,4\n", options, chunk=65536)
    assert rows_of(batches) == [["3", "4"]]
    assert [row for row, _ in rejects_of(batches)] == [1]


@pytest.mark.parametrize("escape", ['"', ",", "\n", "ab", "é"])
def test_an_escape_that_would_be_something_else_is_refused(escape: str) -> None:
    with pytest.raises(InvalidRouteError, match=r"parse\.escape"):
        one(b"a,b\n", ParseOptions(format=Format.CSV, escape=escape))


def test_blank_lines_are_no_records() -> None:
    batch = one(b"\n\r\na,b\n\n1,2\r\n\r\n3,4\n\n\n")
    assert batch.rows == [["1", "2"], ["3", "4"]]
    assert [batch.position(i).row for i in (0, 1)] == [1, 2]


def test_ragged_rows_are_rejected_with_their_counts() -> None:
    batch = one(b"a,b\n1,2\n3\n4,5,6\n7,8\n")
    assert batch.rows == [["1", "2"], ["7", "8"]]
    assert [(r.position.row, r.position.offset, r.position.raw, r.reason) for r in batch.rejects] == [
        (2, 8, "3", "expected 2 fields, found 1"),
        (3, 10, "4,5,6", "expected 2 fields, found 3"),
    ]


def test_undecodable_bytes_cost_one_record_and_are_located() -> None:
    batch = one(b"a,b\n1,2\n3,x\xff\n4,5\n")
    assert batch.rows == [["1", "2"], ["4", "5"]]
    (reject,) = batch.rejects
    assert (reject.position.row, reject.reason, reject.position.raw) == (2, "not utf-8 at byte 11", "3,x\\xff")


def test_undecodable_bytes_are_found_in_other_encodings_too() -> None:
    assert rejects_of([one(b"a\n\x81\n1\n", ParseOptions(format=Format.CSV, encoding="cp1252"))]) == [
        (1, "not cp1252 at byte 2")
    ]
    lone_surrogate = "a\nx".encode("utf-16-le") + b"\x00\xd8" + "\n1\n".encode("utf-16-le")
    assert rejects_of([one(lone_surrogate, ParseOptions(format=Format.CSV, encoding="utf-16"))]) == [
        (1, "not utf-16-le at byte 6")
    ]
    assert rejects_of([one(b"a\nx\x81\n1\n", ParseOptions(format=Format.CSV, encoding="gbk"))]) == [
        (1, "not gbk at byte 3")
    ]


def test_a_character_that_is_cut_at_the_end_of_a_wide_encoding_is_a_truncated_source() -> None:
    with pytest.raises(TruncatedSourceError):
        parsed("a\n1\n2".encode("utf-16")[:-1], CSV)


def test_text_in_another_encoding_altogether_is_corrupt() -> None:
    with pytest.raises(CorruptSourceError):
        parsed(b"a\n" + b"\xff" * 40, ParseOptions(format=Format.CSV, encoding="utf-32"))


def test_nul_is_kept_for_the_columns_to_judge() -> None:
    assert one(b"a,b\n1,\0\n").rows == [["1", "\0"]]


def test_an_unclosed_quote_is_an_error_that_names_row_and_offset() -> None:
    data = b'a,b\n1,2\n3,"4\n5,6\n7,8\n'
    batches = parse(chunked(data, 5), CSV, batch_bytes=1000)
    assert next(batches).rows == [["1", "2"]]
    with pytest.raises(UnclosedQuoteError) as caught:
        next(batches)
    assert caught.value.offset == data.index(b'"')
    assert "row 2" in caught.value.message


@pytest.mark.parametrize("quoted", [False, True])
def test_a_record_over_the_limit_is_rejected_and_the_next_one_read(quoted: bool) -> None:
    long = b'x,"' + b'""\n,' * 30_000 + b'"' if quoted else b"x," + b"y" * 100_000
    data = b"a,b\n1,2\n" + long + b"\n3,4\n"
    batches = parsed(data, ParseOptions(format=Format.CSV, max_record=1000), chunk=333)
    assert rows_of(batches) == [["1", "2"], ["3", "4"]]
    (reject,) = (reject for batch in batches for reject in batch.rejects)
    assert (reject.position.row, reject.position.offset) == (2, 8)
    assert reject.reason.startswith("longer than 1,000 bytes")
    assert long.decode().startswith(reject.position.raw)
    assert len(reject.position.raw) == RAW_LIMIT


def test_a_line_of_100_mb_does_not_take_100_mb() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"a,b\n1,2\nx,"
        yield from (b"y" * 1_000_000 for _ in range(100))
        yield b"\n3,4\n"

    tracemalloc.start()
    batches = list(parse(chunks(), CSV, batch_bytes=1024 * 1024))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert rows_of(batches) == [["1", "2"], ["3", "4"]]
    assert peak < 16_000_000


def test_the_names_of_a_header_may_be_missing_or_doubled() -> None:
    (batch,) = parsed(b"a,, ,a\n1,2,3,4\n", CSV)
    assert (batch.names, list(batch.rows)) == (("a", "", " ", "a"), [["1", "2", "3", "4"]])


def test_an_undecodable_header_is_an_error_at_its_byte() -> None:
    with pytest.raises(HeaderRowError) as caught:
        parsed(b"a,\xff\n1,2\n", CSV)
    assert caught.value.offset == 2


def test_a_header_without_end_is_an_error() -> None:
    with pytest.raises(HeaderRowError, match="longer than 100 bytes"):
        parsed(b"a" * 1000, ParseOptions(format=Format.CSV, max_record=100))
    with pytest.raises(UnclosedQuoteError, match="header row"):
        parsed(b'a,"b\n1,2\n', CSV)


def test_columns_of_the_route_replace_the_names_of_the_header() -> None:
    options = ParseOptions(format=Format.CSV, columns=("x", "y"))
    assert (one(b"a,a\n1,2\n", options).names, one(b"a,a\n1,2\n", options).rows) == (("x", "y"), [["1", "2"]])
    with pytest.raises(HeaderRowError, match="3 columns, the route names 2"):
        parsed(b"a,b,c\n1,2,3\n", options)


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", b"\n\n"])
def test_an_empty_file_has_no_batches(data: bytes) -> None:
    assert parsed(data, CSV) == []


@pytest.mark.parametrize("data", [b"a,b", b"a,b\n", b"a,b\n\n\n", "a,b\n".encode("utf-16")])
def test_a_file_with_only_a_header_has_one_batch_of_its_names(data: bytes) -> None:
    batch = one(data, CSV)
    assert (batch.names, batch.rows, batch.count, batch.first_row, batch.rejects) == (("a", "b"), (), 0, 1, ())


def test_a_file_whose_records_are_all_in_has_no_batches_any_more() -> None:
    assert parsed(b"a,b\n1,2\n", CSV, resume=Resume(chunk=1, offset=8, row=2)) == []


@pytest.mark.parametrize(
    "options",
    [
        ParseOptions(format=Format.CSV, header=False),
        ParseOptions(format=Format.CSV, delimiter=""),
        ParseOptions(format=Format.CSV, delimiter="||"),
        ParseOptions(format=Format.CSV, delimiter="\n"),
        ParseOptions(format=Format.CSV, delimiter='"'),
        ParseOptions(format=Format.CSV, quote="''"),
        ParseOptions(format=Format.CSV, delimiter="§", encoding="ascii"),
        ParseOptions(format=Format.CSV, encoding="no-such"),
        ParseOptions(format=Format.CSV, encoding="rot13"),
        ParseOptions(format=Format.CSV, encoding="utf-7"),
        ParseOptions(format=Format.CSV, encoding="iso2022_jp"),
        ParseOptions(format=Format.CSV, encoding="unicode_escape"),
        ParseOptions(format=Format.CSV, encoding="idna"),
    ],
    ids=str,
)
def test_options_that_make_no_sense_are_the_routes_fault(options: ParseOptions) -> None:
    with pytest.raises(InvalidRouteError):
        parsed(b"a,b\n1,2\n", options)


def test_fields_may_be_as_long_as_records() -> None:
    long = "x" * 900_000
    assert rows_of(parsed(f'a\n"{long}"\n'.encode(), CSV, chunk=65536)) == [[long]]


def test_many_bad_rows_are_located_as_fast_as_one() -> None:
    data = b"a,b\n" + b"1,2\n3\n" * 20_000
    (batch,) = parsed(data, CSV, chunk=65536, batch_bytes=len(data))
    assert batch.position(19_999).row == 39_999
    assert len({batch.position(index).offset for index in range(20_000)}) == 20_000


def test_a_quote_in_the_middle_does_not_stop_the_rest_of_a_window() -> None:
    rows = [f'{number},5" pipe' for number in range(1000)]
    data = ("n,size\n" + "\n".join(rows)).encode()
    batches = parsed(data, CSV, batch_bytes=4000, chunk=999)
    assert rows_of(batches) == [row.split(",") for row in rows]
    assert len(batches) < 10
