"""Rejects in the form of their source, and what is never written."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace

import pytest

from penstock.errors import InvalidRouteError
from penstock.formats import parse
from penstock.model.load import Resume
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.record import RAW_LIMIT, RecordPosition, Reject
from penstock.operations.source_form import SourceForm

CSV = ParseOptions(format=Format.CSV)


def opened(source: bytes, size: int = 7) -> Callable[[], Generator[bytes, None, None]]:
    def pieces() -> Generator[bytes, None, None]:
        yield from (source[at : at + size] for at in range(0, len(source), size))

    return pieces


def rejects_of(source: bytes, options: ParseOptions, *rows: int) -> list[Reject]:
    """What a load would log of these rows."""
    found: dict[int, Reject] = {}
    for batch in parse([source], options, batch_bytes=100, resume=Resume()):
        for reject in batch.rejects:
            found[reject.position.row] = reject
        for number in range(len(batch.rows)):
            at = batch.position(number)
            found[at.row] = Reject(at, "bad", "c")
    return [found[row] for row in rows]


def written(source: bytes, options: ParseOptions, *rows: int, gone: bool = False) -> tuple[bytes, SourceForm]:
    form = SourceForm(options, None if gone else opened(source))
    return b"".join(form.pieces(rejects_of(source, options, *rows))), form


SEMICOLONS = ParseOptions(format=Format.CSV, delimiter=";")
NO_HEADER = ParseOptions(format=Format.CSV, header=False, columns=("a", "b"))
BODY = ParseOptions(format=Format.CSV, comment="#", skip_footer=1)
FOOTER = ParseOptions(format=Format.CSV, footer="^Total")
COUNTED = ParseOptions(format=Format.CSV, footer=r"^Total;(?P<rows>\d+)", delimiter=";")
LATIN = ParseOptions(format=Format.CSV, encoding="latin-1")
UTF_16 = ParseOptions(format=Format.CSV, encoding="utf-16")


@pytest.mark.parametrize(
    ("source", "options", "rows", "expected"),
    [
        (b"a,b\n1,2\n3,4\n5,6\n", CSV, (1, 3), b"a,b\n1,2\n5,6\n"),
        (b"\xef\xbb\xbfa;b\r\n1;2\r\n3;4", SEMICOLONS, (2,), b"\xef\xbb\xbfa;b\r\n3;4\r\n"),
        (b'a,b\n"x\ny",2\n3\n', CSV, (1, 2), b'a,b\n"x\ny",2\n3\n'),
        (b"1,2\n3,4\n", NO_HEADER, (2,), b"3,4\n"),
        (b"a,b\n\xe9,2\n3,4\n", LATIN, (1,), b"a,b\n\xe9,2\n"),
        ("a,b\né,2\n3,4\n".encode("utf-16"), UTF_16, (1,), "a,b\né,2\n".encode("utf-16")),
        ("a,b\né,2\n3,4\n".encode("utf-16"), CSV, (1,), "a,b\né,2\n".encode("utf-16")),
        (b"#x\na,b\n1\n#y\n3\nsum,2\n", BODY, (1, 2), b"#x\na,b\n1\n3\n(footer)\n"),
        (b"a,b\n1,2\n3,4\nTotal 6\nend\n", FOOTER, (2,), b"a,b\n3,4\nTotal 6\n"),
        (b"a;b\r\n1;2\r\n3;4\r\n5;6\r\nTotal;3;x", COUNTED, (2, 3), b"a;b\r\n3;4\r\n5;6\r\nTotal;2;x\r\n"),
        (
            "a;b\né;2\n3;4\nTotal;2\n".encode("utf-16"),
            replace(COUNTED, encoding="utf-16"),
            (1,),
            "a;b\né;2\nTotal;1\n".encode("utf-16"),
        ),
        (b'{"a": 1}\n{"a":  "x"}\n', ParseOptions(format=Format.JSONL), (2,), b'{"a":  "x"}\n'),
    ],
)
def test_the_file_has_the_form_of_the_source(
    source: bytes, options: ParseOptions, rows: tuple[int, ...], expected: bytes
) -> None:
    assert written(source, options, *rows)[0] == expected


LONG = b'"' + b"x\n" * RAW_LIMIT + b'"'


def test_a_record_that_was_cut_is_fetched_again() -> None:
    source = b"a,b\n1,2\n" + LONG + b",1\n3,4\n" + LONG + b",5\n"
    text, form = written(source, CSV, 1, 2, 4)
    assert text == b"a,b\n1,2\n" + LONG + b",1\n" + LONG + b",5\n"
    assert (form.count, form.missing) == (3, [])


def test_a_record_whose_raw_text_was_left_out_is_fetched_again() -> None:
    source = b"a,b\n1,2\n3,4\n5,6\n"
    (reject,) = rejects_of(source, CSV, 2)
    bare = replace(reject, position=replace(reject.position, raw=""))
    assert b"".join(SourceForm(CSV, opened(source)).pieces([bare])) == b"a,b\n3,4\n"
    form = SourceForm(NO_HEADER, None)
    assert (b"".join(form.pieces([bare])), form.missing) == (b"", [bare.position])


def test_a_row_that_was_refused_when_all_were_moved_is_found_by_its_number() -> None:
    source = b'a,b\n1,2\n"3\n",4\n5,6\n'
    moved = Reject(RecordPosition(2, -1, '{"a": "3\\n", "b": "hash"}'), "already exists", "")
    unknown = Reject(RecordPosition(9, -1, "{}"), "already exists", "")
    form = SourceForm(CSV, opened(source))
    assert b"".join(form.pieces([moved, unknown, *rejects_of(source, CSV, 1)])) == b'a,b\n1,2\n"3\n",4\n'
    assert (form.count, form.missing) == (2, [unknown.position])


def test_bytes_that_could_not_be_decoded_are_fetched_again() -> None:
    text, form = written(b"a,b\n\xff,2\n3,4\n", CSV, 1)
    assert (text, form.count) == (b"a,b\n\xff,2\n", 1)


def test_without_the_source_a_cut_record_is_named_and_not_written() -> None:
    options = ParseOptions(format=Format.CSV, header=False, columns=("a", "b"))
    text, form = written(b"1,2\n" + LONG + b",1\n", options, 1, 2, gone=True)
    assert text == b"1,2\n"
    assert (form.count, [at.row for at in form.missing]) == (1, [2])


def test_a_record_that_the_source_does_not_have_is_named() -> None:
    (cut,) = rejects_of(b"a,b\n1,2\n" + LONG + b",1\n", CSV, 2)
    form = SourceForm(CSV, opened(b"a,b\n1,2\n3,4\n5,6\n"))
    assert b"".join(form.pieces([cut])) == b"a,b\n"
    assert form.missing == [cut.position]


def test_a_header_that_is_not_known_is_refused() -> None:
    with pytest.raises(InvalidRouteError, match="header is not known") as refused:
        written(b"a,b\n1,2\n", CSV, 1, gone=True)
    assert "--source" in refused.value.hint


def test_records_of_a_document_cannot_stand_alone() -> None:
    with pytest.raises(InvalidRouteError, match="records of json are parts of their file"):
        list(SourceForm(ParseOptions(format=Format.JSON), opened(b"[]")).pieces([]))
