"""The start of a CSV: lines to skip, the header found by its names, and the delimiter where the route sets none."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lengths import examples
from parser_checks import chunked, rows_of
from penstock.errors import HeaderRowError, TruncatedSourceError
from penstock.formats import open_source, parse
from penstock.formats.boundaries import HEAD, Boundaries, BoundariesState, text_of
from penstock.formats.csv.start import START
from penstock.model.parse_options import Format, ParseOptions

CSV = ParseOptions(format=Format.CSV)
COMMA = replace(CSV, delimiter_stated=True)
AUTO = replace(CSV, find_header=True, declared=("id", "name"))


def read(data: str | bytes, options: ParseOptions) -> tuple[tuple[str, ...], list[object], list[str]]:
    """The names, the rows and what the parser tells."""
    told: list[str] = []
    content = data.encode() if isinstance(data, str) else data
    batches = list(parse([content], options, batch_bytes=1000, tell=told.append))
    return batches[0].names if batches else (), rows_of(batches), told


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("title", ["Sales", 'it is 5" wide', '"open', "a,b,c", ""])
def test_skipped_lines_are_physical_lines_in_which_quotes_mean_nothing(title: str, end: str) -> None:
    data = end.join([title, "2024", "id,name", "1,a", ""])
    assert read(data, replace(COMMA, skip_lines=2)) == (("id", "name"), [["1", "a"]], [])


def test_lines_are_skipped_before_the_first_record_of_a_file_without_header() -> None:
    options = replace(COMMA, header=False, columns=("a", "b"), skip_lines=1)
    assert read("Sales\n1,2\n", options) == (("a", "b"), [["1", "2"]], [])


def test_the_line_that_names_the_delimiter_is_one_of_the_skipped_lines() -> None:
    assert read("sep=;\nSales\na;b\n1;2\n", replace(COMMA, skip_lines=2))[:2] == (("a", "b"), [["1", "2"]])


def test_an_empty_file_has_no_lines_to_skip() -> None:
    assert read("", replace(CSV, skip_lines=3)) == ((), [], [])
    assert read("\n", AUTO) == ((), [], [])


@pytest.mark.parametrize(
    ("data", "lines", "message"),
    [
        ("a\nb\n", 3, "there are only 2 lines, and skip_lines skips 3"),
        ("a", 3, "there is only 1 line, and skip_lines skips 3"),
        ("x" * START + "\na\n1\n", 1, "the first 1 line, which skip_lines skips, has more than 65,536 bytes"),
    ],
    ids=["two", "one", "long"],
)
def test_a_file_without_the_lines_to_skip_is_refused(data: str, lines: int, message: str) -> None:
    with pytest.raises(HeaderRowError, match=message):
        read(data, replace(COMMA, skip_lines=lines))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("above", ["", 'Sales of "north', "id,Name", "\n", 'a "title"\nid,\n"name'])
def test_the_header_is_the_first_line_with_all_declared_columns(above: str, end: str) -> None:
    data = (above + "\nname,other,id\nid,name,x\n").replace("\n", end)
    names, rows, told = read(data, AUTO)
    assert (names, rows) == (("name", "other", "id"), [["id", "name", "x"]])
    line = above.count("\n") + 2
    assert told == [f"header found in line {line}"]


def test_a_header_of_several_lines_is_found() -> None:
    options = replace(AUTO, declared=("id", "full\nname"))
    assert read('Title\nid,"full\nname"\n1,a\n', options)[:2] == (("id", "full\nname"), [["1", "a"]])


def test_the_header_is_found_with_another_delimiter() -> None:
    names, rows, told = read("Title, all\nid;name\n1;2,5\n", AUTO)
    assert (names, rows) == (("id", "name"), [["1", "2,5"]])
    assert told == ["delimiter ';' found: the route sets none", "header found in line 2"]


def test_a_later_line_is_no_header_by_the_usual_delimiter() -> None:
    data = 'sum|name\n1|"a\nname\nb"\n'
    names, found, told = read(data, replace(AUTO, declared=("name",)))
    assert (names, found) == (("sum", "name"), [["1", "a\nname\nb"]])
    assert told == ["delimiter '|' found: the route sets none", "header found in line 1"]


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (
            "Title\nid,nam\n1,2\n",
            AUTO,
            "none of the first 3 lines .*; the nearest, line 2, lacks 'name' .did you mean 'nam'.., and has 'nam'",
        ),
        ("Title\nID\n", AUTO, "none of the first 2 lines holds all declared columns: 'id', 'name'"),
        ("T\nU\nid;x\n", replace(AUTO, skip_lines=1), "first 2 lines after line 1 .*, line 3, lacks 'name'"),
        ("x\n" * 1000 + "id,name\n", AUTO, "none of the first 1,000 lines"),
        ("x" * START + "\nid,name\n", AUTO, "the first line has more than 65,536 bytes"),
        ("x\n", AUTO, "the first line does not hold all declared columns: .id., .name."),
        ("id;name\nid|name\n", AUTO, "the header is found with the delimiters ';' and '|'"),
    ],
    ids=["near", "none", "after skipped lines", "too many lines", "a long line", "one line", "two delimiters"],
)
def test_a_header_that_is_not_found_says_what_the_nearest_line_lacks(
    data: str, options: ParseOptions, message: str
) -> None:
    with pytest.raises(HeaderRowError, match=message):
        read(data, options)


def test_a_header_in_another_encoding_is_told() -> None:
    with pytest.raises(HeaderRowError, match=r"lacks 'né', and has 'n.udce9'") as raised:
        list(parse(["id,né\n1,2\n".encode("cp1252")], replace(AUTO, declared=("id", "né")), batch_bytes=100))
    assert raised.value.hint == "The text is not utf-8: set the encoding (parse.encoding) to cp1252."


@pytest.mark.parametrize("sign", [";", "\t", "|"])
@pytest.mark.parametrize(
    "lines",
    [
        ["a;b", "1;2"],
        ["a;b", "1,5;2"],
        ['"a";"b"', '"1;5";2', '"x\ny";2'],
        ["", "a;b;c", "1;2;3", "1;2;3"],
    ],
)
def test_another_delimiter_is_taken_and_told_if_header_and_records_agree(sign: str, lines: list[str]) -> None:
    data = "\n".join(lines).replace(";", sign) + "\n"
    names, rows, told = read(data, CSV)
    assert (names, rows) == read(data, replace(COMMA, delimiter=sign))[:2]
    assert len(names) > 1
    assert told == [f"delimiter {sign!r} found: the route sets none"]


@pytest.mark.parametrize(
    "data",
    [
        "a,b;c\n1,2;3\n",  # the header has a comma
        '"a;b"\n1;2\n',  # inside quotes
        "a;b\n1;2\n3\n",  # records disagree
        "a;b\n",  # no record
        "a;b|c\n1;2|3\n",  # two delimiters agree
        "a;b\n1\n2\n",
        "a\n1;2\n",
    ],
)
def test_a_delimiter_that_is_not_certain_is_not_guessed(data: str) -> None:
    assert read(data, CSV) == read(data, COMMA)


def test_the_declared_columns_make_another_delimiter_certain() -> None:
    declared = replace(CSV, declared=("a", "b"))
    assert read("a;b\n1;2\n3\n", declared)[1:] == ([["1", "2"]], ["delimiter ';' found: the route sets none"])
    assert read("a;b\n", declared)[0] == ("a", "b")
    assert read("a;b|c\n1;2|3\n", declared)[0] == ("a;b|c",)


@pytest.mark.parametrize(
    "options",
    [
        COMMA,
        replace(CSV, declared=("a;b",)),  # a column of this name
        replace(CSV, columns=("x",)),
        replace(CSV, delimiter="\t"),
    ],
)
def test_no_other_delimiter_is_looked_for_where_the_route_says_how_to_read_it(options: ParseOptions) -> None:
    assert len(read("a;b\n1;2\n", options)[0]) == 1


def test_given_names_fit_another_delimiter_if_they_are_as_many() -> None:
    two, three = (replace(CSV, header=False, columns=tuple("xyz"[:count])) for count in (2, 3))
    assert read("1;2\n3;4\n", two)[:2] == (("x", "y"), [["1", "2"], ["3", "4"]])
    assert read("1;2\n3;4\n", three)[2] == []


CELLS = st.text(st.sampled_from("ab ;|\t,\"'\n\r#é"), max_size=5)
TITLES = st.lists(st.text(st.sampled_from("ab ,;|\"'é\t"), max_size=12), max_size=4)


@st.composite
def written(draw: st.DrawFn) -> tuple[bytes, ParseOptions, tuple[str, ...], list[list[str]]]:
    """A file with lines above its header as partners send it, how to read it, its names and its rows."""
    names = tuple(draw(st.permutations(["id", "näme", "two words", 'q"x'])))[: draw(st.integers(2, 4))]
    rows = draw(st.lists(st.lists(CELLS, min_size=len(names), max_size=len(names)), max_size=5))
    delimiter = draw(st.sampled_from(",;|\t"))
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    titles = draw(TITLES)
    text = io.StringIO(newline="")
    # The writer of Python 3.11 quotes only those line ends that it writes itself.
    csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL).writerows([names, *rows])
    body = "".join(title + end for title in titles) + text.getvalue()
    stated = draw(st.booleans())
    options = ParseOptions(
        format=Format.CSV,
        delimiter=delimiter if stated else ",",
        delimiter_stated=stated,
        declared=names if draw(st.booleans()) else names[:2],
        encoding=draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"])),
    )
    auto = draw(st.booleans())
    options = replace(options, find_header=auto) if auto else replace(options, skip_lines=len(titles))
    return body.encode(options.encoding), options, names, rows


@settings(max_examples=examples(60))
@given(written(), st.integers(1, 40))
def test_what_was_written_is_read_wherever_the_file_is_cut(
    file: tuple[bytes, ParseOptions, tuple[str, ...], list[list[str]]], size: int
) -> None:
    data, options, names, rows = file
    kept = [row for row in rows if row]
    batches = list(parse(chunked(data, size), options, batch_bytes=40))
    assert (batches[0].names, rows_of(batches)) == (names, kept)
    assert not any(batch.rejects for batch in batches)
    text = text_of(options, data[:HEAD])
    if text is None:
        assert options.encoding == "utf-16"
        return
    within = open_source([data], options)
    for at in range(len(data) + 1):
        boundaries = Boundaries(BoundariesState(text))
        boundaries.feed(data[:at])
        boundaries.mark()
        boundaries.feed(data[at:])
        boundaries.finish()
        (found,) = boundaries.take()
        part = replace(within, offset=found.offset, row=found.row)
        rest = list(parse([data[found.offset :]], options, batch_bytes=40, within=part))
        assert rows_of(rest) == kept[found.row - 1 :]


@settings(max_examples=examples(60))
@given(st.lists(st.text(st.sampled_from('"ab,;\\#'), max_size=6), max_size=5), st.sampled_from(["", "\\"]))
def test_comments_and_escapes_above_the_header_do_not_hide_it(titles: list[str], escape: str) -> None:
    lines = "".join(f"{title}\n" for title in titles)
    options = replace(AUTO, comment="#", escape=escape)
    names, rows, told = read(f'{lines}id,name\n#1,x\n2,"b\n#c"\n', options)
    assert (names, rows) == (("id", "name"), [["2", "b\n#c"]])
    assert told == [f"header found in line {len(titles) + 1}"]


WIDE = replace(CSV, declared=("Straße", "Ort"))


@pytest.mark.parametrize("find_header", [False, True])
@pytest.mark.parametrize(
    ("declared", "hint"),
    [
        ("cp1252", "The text is not cp1252: set the encoding (parse.encoding) to utf-8."),
        ("utf-16", "The text is not utf-16-le: set the encoding (parse.encoding) to utf-8."),
    ],
)
def test_a_header_in_another_encoding_names_the_option(declared: str, hint: str, *, find_header: bool) -> None:
    data = "Straße,Ort\nMüllerstraße 10,Köln\n"
    with pytest.raises(HeaderRowError) as error:
        read(data, replace(WIDE, encoding=declared, find_header=find_header))
    assert error.value.hint == hint


def test_a_text_that_ends_inside_a_character_may_have_another_encoding() -> None:
    with pytest.raises(TruncatedSourceError) as error:
        read("a,b\n1,23\n", replace(WIDE, encoding="utf-16"))
    assert "parse.encoding" in error.value.hint


@pytest.mark.parametrize(
    ("find_header", "hint"),
    [
        (False, "Set the encoding (parse.encoding): the text is probably cp1252."),
        (True, "The text is not utf-8: set the encoding (parse.encoding) to cp1252."),
    ],
)
def test_a_header_that_cannot_be_decoded_names_the_option(*, find_header: bool, hint: str) -> None:
    with pytest.raises(HeaderRowError) as error:
        read("Straße,Ort\n".encode("cp1252"), replace(WIDE, find_header=find_header))
    assert error.value.hint == hint


@pytest.mark.parametrize("find_header", [False, True])
def test_a_header_with_another_delimiter_than_the_route_names_the_option(*, find_header: bool) -> None:
    options = replace(AUTO, delimiter=";", delimiter_stated=True, find_header=find_header)
    with pytest.raises(HeaderRowError) as error:
        read("id,name\n1,a\n", options)
    assert error.value.hint == "The delimiter of the header is ',': set the delimiter (parse.delimiter) to it."


@pytest.mark.parametrize("data", ["id,nom\n1,name\n", "id;n\n1;2\n", ""])
def test_a_header_that_lacks_a_column_in_any_reading_is_left_to_the_table(data: str) -> None:
    read(data, replace(AUTO, find_header=False))
