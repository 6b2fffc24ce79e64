"""What is none of the formats under a table route is named, with a way out."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
from collections.abc import Iterable

import pytest

from fixtures.encoded import chop, zstd_frame
from penstock.codecs import choose
from penstock.errors import BadDocumentError, CodecMismatchError, InvalidRouteError
from penstock.formats import choose_format, open_source, parse
from penstock.model.parse_options import Format, ParseOptions

CSV = b"id,name\n1,reservoir\n"


def zipped(**entries: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, text in entries.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), text)
    return made.getvalue()


def tarred() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        entry = tarfile.TarInfo("a.csv")
        entry.size = len(CSV)
        archive.addfile(entry, io.BytesIO(CSV))
    return made.getvalue()


OLE = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600)
CONTENTS = {
    "a zip archive": zipped(data_csv="x"),
    "an ODS spreadsheet": zipped(mimetype="application/vnd.oasis.opendocument.spreadsheet"),
    "an XLSB workbook": zipped(xl__workbook_bin=""),
    "an XLSX workbook": zipped(xl__workbook_xml=""),
    "a 7z archive": b"7z\xbc\xaf\x27\x1c\0\4",
    "a Parquet file": b"PAR1\x15\x04",
    "lz4": struct.pack("<I", 0x184D2204) + b"\x64\x40",
    "compress (.Z)": b"\x1f\x9d\x90\x69",
    "a tar archive": tarred(),
    "an XLS workbook, or an encrypted one": OLE,
    "gzip once its codec is undone": gzip.compress(CSV),
    "zstd once its codec is undone": zstd_frame(CSV),
}


def refused(chunks: Iterable[bytes], wanted: Format) -> BadDocumentError:
    with pytest.raises(BadDocumentError) as caught:
        list(parse(chunks, ParseOptions(format=wanted), batch_bytes=1000))
    return caught.value


@pytest.mark.parametrize("chunk", [1, 100, 0])
@pytest.mark.parametrize("wanted", [Format.CSV, Format.JSONL, Format.JSON])
@pytest.mark.parametrize("what", CONTENTS)
def test_a_text_that_is_something_else_is_named_with_a_way_out(what: str, wanted: Format, chunk: int) -> None:
    error = refused(chop(CONTENTS[what], chunk), wanted)
    # How much of a zip is looked at goes by its chunks: its entries may come later.
    known = {what, "a zip archive"} if what.endswith(("workbook", "spreadsheet")) and chunk else {what}
    assert error.message in {f"this is {one}, not {wanted}" for one in known}
    assert error.hint


def test_spans_ask_the_same_of_the_start() -> None:
    with pytest.raises(BadDocumentError, match="this is a Parquet file, not csv"):
        open_source([CONTENTS["a Parquet file"]], ParseOptions(format=Format.CSV))


@pytest.mark.parametrize("what", ["an ODS spreadsheet", "an XLSB workbook", "a 7z archive", "a Parquet file"])
def test_what_is_no_xlsx_is_named(what: str) -> None:
    assert refused([CONTENTS[what]], Format.XLSX).message == f"this is {what}, not xlsx"


@pytest.mark.parametrize(
    "text",
    [b"PAR1,PAR2\n1,2\n", b"PK,name\n1,2\n", b"ORC,name\n1,2\n", b"7z,x\n1,2\n", b"u" + b",ustar" * 99 + b"\n", b""],
    ids=["PAR1", "PK", "ORC", "7z", "ustar", "empty"],
)
def test_texts_that_only_start_alike_are_read(text: bytes) -> None:
    options = ParseOptions(format=Format.CSV, header=False, columns=("a", "b"))
    list(parse([text], options, batch_bytes=1000))


def test_utf_16_may_start_with_any_two_bytes() -> None:
    text = "\u9d1f,b\n1,2\n".encode("utf-16-be").replace(b"\x9d\x1f", b"\x1f\x9d")
    batches = list(parse([text], ParseOptions(format=Format.CSV, encoding="utf-16-be"), batch_bytes=1000))
    assert [list(batch.rows) for batch in batches] == [[["1", "2"]]]


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("in/a.csv.br", "brotli"),
        ("a.CSV.BR", "brotli"),
        ("a.zip", "a zip archive"),
        ("a.tgz", "a tar archive"),
        ("a.tar.xz", "a tar archive"),
        ("a.xls", "an XLS workbook"),
        ("a.xlsb.gz", "an XLSB workbook"),
        ("a.ods", "an ODS spreadsheet"),
        ("a.csv.Z", r"compress \(.Z\)"),
        ("a.csv.lz4", "lz4"),
        ("a.orc", "an ORC file"),
    ],
)
def test_a_name_that_says_another_format_is_believed_where_the_route_sets_none(name: str, what: str) -> None:
    with pytest.raises(BadDocumentError, match=f"by its name .* this is {what}") as caught:
        choose_format(name, ParseOptions())
    assert caught.value.hint


def test_a_format_that_the_route_sets_overrules_the_name_but_for_brotli_around_a_known_one() -> None:
    options = ParseOptions(format=Format.CSV)
    assert choose_format("brazil.br", options) is Format.CSV
    assert choose_format("a.zip", options) is Format.CSV
    with pytest.raises(BadDocumentError, match="brotli"):
        choose_format("a.csv.br", options)


def test_a_name_that_says_nothing_asks_for_the_route() -> None:
    with pytest.raises(InvalidRouteError):
        choose_format("a.dat", ParseOptions())


def test_a_promise_of_a_codec_that_is_not_kept_tells_what_is_there() -> None:
    with pytest.raises(CodecMismatchError, match="says gzip, but the content is a zip archive"):
        choose(CONTENTS["a zip archive"], "a.csv.gz")


@pytest.mark.parametrize(
    ("name", "hint"), [("a.zip", 'archive = "members"'), ("a.tar.gz", 'archive = "members"'), ("a.7z", "Unpack it")]
)
def test_an_archive_can_be_taken_apart_if_penstock_reads_it(name: str, hint: str) -> None:
    with pytest.raises(BadDocumentError) as caught:
        choose_format(name, ParseOptions())
    assert hint in caught.value.hint
