"""What was found by fuzzing (tests/fuzz), each case at its smallest: refused by an error of Penstock's, at once."""

from __future__ import annotations

import io
import json
import tracemalloc
import zipfile
import zlib
from typing import Any

import pytest
from openpyxl import Workbook

from penstock.codecs.checkpoint import Checkpoint
from penstock.codecs.gzip.index import enter
from penstock.codecs.index_file import HEADER_SIZE, pack, read_directory, read_window
from penstock.errors import (
    CorruptIndexError,
    HeaderRowError,
    InvalidEventError,
    InvalidRouteError,
    InvalidTableError,
    RequestRefusedError,
)
from penstock.formats import parse
from penstock.formats.boundaries import BoundariesState, Text
from penstock.formats.survey import Survey, stitch, survey
from penstock.jobs.events import read_event
from penstock.large_jobs.job_files import Upload
from penstock.limits import MIB
from penstock.model.column import Column
from penstock.model.job import LONGEST_MESSAGE, Failure
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.serialization import from_json
from penstock.model.span import Entry
from penstock.model.table import Table, TablePlan
from penstock.routes import parse_routes
from penstock.tables import ChunkBuilder, complete

DEEP = "[" * 5000 + "]" * 5000
MESSAGE = {"eventSource": "aws:sqs", "messageId": "1", "body": '{"Event": "s3:TestEvent"}'}


def notification(**fields: object) -> dict[str, Any]:
    thing = {"key": "k", "size": 1} | fields
    names = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put"}
    time = {"eventTime": fields["time"]} if "time" in fields else {}
    return {"Records": [{**names, **time, "s3": {"bucket": {"name": "b"}, "object": thing}}]}


@pytest.mark.parametrize(
    "event",
    [
        {"Records": [MESSAGE, "no record"]},
        {"Records": [MESSAGE | {"attributes": 1.5}]},
        {"Records": [MESSAGE | {"attributes": {"ApproximateReceiveCount": "often"}}]},
        {"Records": [MESSAGE | {"attributes": {"ApproximateReceiveCount": None}}]},
        notification(size=float("inf")),
        notification(size=-1),
        notification(key="half a \ud800 character"),
        notification(versionId="\udfff"),
        notification(time="0001-01-01T00:00:00+14:00"),
        notification(time="9999-12-31T23:59:59-14:00"),
    ],
)
def test_an_event_that_aws_does_not_send_is_refused(event: object) -> None:
    with pytest.raises(InvalidEventError):
        read_event(event)


def test_an_event_that_is_too_deep_to_be_shown_is_refused() -> None:
    deep: object = {}
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(InvalidEventError, match="nested too deeply"):
        read_event(deep)


@pytest.mark.parametrize("text", [f"route = {DEEP}", f"route = {'9' * 5000}"], ids=["nesting", "digits"])
def test_toml_beyond_what_python_reads_is_refused(text: str) -> None:
    with pytest.raises(InvalidRouteError, match=r"routes\.toml: not TOML"):
        parse_routes(text, "routes.toml", {"source_bucket": "b"})


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Upload, DEEP),
        (Upload, '{"upload_id": null}'),
        (Upload, '{"upload_id": "u", "warnings": "text"}'),
        (Upload, f'{{"upload_id": "u", "warnings": {DEEP}}}'),
        (Entry, '{"decoded": Infinity, "encoded": 0}'),
        (Entry, '{"decoded": 0, "encoded": null}'),
    ],
)
def test_a_value_of_the_wrong_type_or_size_is_refused(kind: type, text: str) -> None:
    with pytest.raises(RequestRefusedError):
        from_json(kind, text)


CHECKPOINT = Checkpoint(Entry(10, 5, 3, raw=True), b"window", 7, 10, warnings=("w",)).to_json()


def test_a_checkpoint_comes_back_as_it_was() -> None:
    assert Checkpoint.from_json(json.loads(json.dumps(CHECKPOINT))).to_json() == CHECKPOINT


@pytest.mark.parametrize(
    "change",
    [
        *(
            {"entry": 1},
            {"entry": {"decoded": 0}},
            {"window": 5},
            {"window": "?"},
            {"members": "many"},
            {"members": None},
        ),
        *({"crc": 2**32}, {"crc32": -1}, {"size": -1}, {"members": -1}),
        {"window": "A" * 65_536},
        {"entry": {"decoded": -1, "encoded": 0}},
        {"entry": {"decoded": 2**64, "encoded": 0}},
        {"entry": {"decoded": 0, "encoded": 0, "bits": 8}},
    ],
)
def test_a_damaged_checkpoint_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(CorruptIndexError):
        Checkpoint.from_json(CHECKPOINT | change)


def test_a_segment_that_names_a_ninth_bit_is_refused_before_anybody_looks_for_it() -> None:
    segment = bytearray(pack([(Entry(0, 0, 0, raw=True), b"")]))
    segment[HEADER_SIZE + 34] = 9
    segment[9:13] = zlib.crc32(segment[HEADER_SIZE:]).to_bytes(4, "little")
    with pytest.raises(CorruptIndexError, match="index entry is out of range"):
        read_directory(bytes(segment))


@pytest.mark.parametrize("size", [32 * 1024 + 1, 10_000_000])
def test_a_window_that_inflates_beyond_what_deflate_looks_back_is_refused(size: int) -> None:
    with pytest.raises(CorruptIndexError, match="truncated or too long"):
        read_window(zlib.compress(bytes(size)))


@pytest.mark.parametrize("damaged", [None, {}, {"text": 1}, {"text": {}, "found": [[1]]}, {"text": {}, "marks": 1}])
def test_a_damaged_state_of_counting_is_refused(damaged: object) -> None:
    with pytest.raises(CorruptIndexError):
        BoundariesState.from_json(damaged)


def test_a_damaged_survey_is_refused() -> None:
    whole = survey([b"a,b\n"], Text(",", '"'), 0).to_json()
    for name in whole:
        with pytest.raises(CorruptIndexError):
            Survey.from_json({**whole, name: None})
    with pytest.raises(CorruptIndexError, match="without state"):
        stitch([Survey.from_json(whole | {"outcomes": []})])


def test_a_delimiter_that_is_no_byte_is_refused() -> None:
    with pytest.raises(CorruptIndexError):
        Text("€", '"').rules()


def test_a_byte_that_is_a_blank_in_latin_1_does_not_end_a_value_within_a_character() -> None:
    options = ParseOptions(format=Format.JSON, encoding="cp037", records="a")
    (batch,) = parse(['{"passed over": "à", "a": [{}]}'.encode("cp037")], options, batch_bytes=100)
    assert list(batch.rows) == [{}]


@pytest.mark.long
def test_narrow_rows_of_the_widest_sheet_take_no_more_memory_than_a_slice_of_them() -> None:
    wide = '<row><c r="XFD1"><v>1</v></c></row>' * 1_000
    book = with_sheet(
        f'<worksheet xmlns="{MAIN}"><sheetData><row><c r="A1"><v>0</v></c></row>{wide}</sheetData></worksheet>'
    )
    tracemalloc.start()
    try:
        batches = parse([book], ParseOptions(format=Format.XLSX), batch_bytes=100_000)
        assert sum(batch.count for batch in batches) == 1_000
        assert tracemalloc.get_traced_memory()[1] < 32 * MIB
    finally:
        tracemalloc.stop()


MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def with_sheet(xml: str) -> bytes:
    file, plain, changed = io.BytesIO(), io.BytesIO(), "xl/worksheets/sheet1.xml"
    Workbook().save(plain)
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, xml if name == changed else old.read(name))
    return file.getvalue()


def test_a_failure_fits_its_job_however_many_columns_have_no_name() -> None:
    (header,) = parse([b"," * 1_000_000], ParseOptions(format=Format.CSV), batch_bytes=100)
    assert len(header.names) == 1_000_001
    for table in (Table("t"), Table("t", (Column("id"),))):
        with pytest.raises((HeaderRowError, InvalidTableError)) as refusal:
            ChunkBuilder(complete(TablePlan(ParseOptions(), table), header)).chunk(0, header)
        assert len(Failure.of(refusal.value).message) <= LONGEST_MESSAGE


def test_a_manifest_with_an_entry_that_cannot_be_is_no_endless_loop() -> None:
    with pytest.raises(CorruptIndexError):
        next(enter([b"\x00"], Entry(0, 0, bits=9, raw=True), b"", 100))
