"""XLSX: the cells of a sheet as the texts that a CSV would hold, whichever program wrote the workbook."""

from __future__ import annotations

import datetime as dt
import io
import os
import struct
import tracemalloc
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook
from openpyxl.utils.datetime import CALENDAR_MAC_1904
from openpyxl.worksheet.worksheet import Worksheet

from lengths import examples
from parser_checks import (
    assert_chunks_do_not_matter,
    assert_every_boundary_can_be_entered,
    chunked,
    parsed,
    rejects_of,
    rows_of,
)
from penstock.errors import (
    BadDocumentError,
    ExpansionLimitError,
    HeaderRowError,
    InvalidRouteError,
    PenstockError,
    RecordsMissingError,
    WorkbookTooLargeError,
)
from penstock.formats import ReadLimits, parse
from penstock.formats.xlsx import sheet as xlsx_sheet
from penstock.limits import MIB
from penstock.model.load import Resume
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.record import Batch

XLSX = ParseOptions(format=Format.XLSX)
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
STRICT = "http://purl.oclc.org/ooxml/spreadsheetml/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
STRICT_OFFICE = "http://purl.oclc.org/ooxml/officeDocument/relationships"
RELATIONS = '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{}</Relationships>'


def saved(book: Workbook) -> bytes:
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def workbook(*rows: Iterable[object]) -> bytes:
    book = Workbook()
    for row in rows:
        sheet(book).append(list(row))
    return saved(book)


def sheet(book: Workbook) -> Worksheet:
    assert isinstance(book.active, Worksheet)
    return book.active


def parts(
    rows: str, *, strings: str = "", namespace: str = MAIN, extra: dict[str, str] | None = None
) -> dict[str, str]:
    """The parts of a small workbook whose only sheet holds these rows."""
    office = STRICT_OFFICE if namespace == STRICT else OFFICE
    relation = f'<Relationship Id="{{}}" Type="{office}/{{}}" Target="{{}}"/>'
    return {
        "_rels/.rels": RELATIONS.format(relation.format("a", "officeDocument", "xl/workbook.xml")),
        "xl/workbook.xml": f'<workbook xmlns="{namespace}" xmlns:r="{office}"><sheets>'
        '<sheet name="Data" sheetId="1" r:id="s"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": RELATIONS.format(
            relation.format("s", "worksheet", "/xl/worksheets/one.xml")
            + relation.format("t", "sharedStrings", "strings.xml")
            + relation.format("u", "styles", "styles.xml")
        ),
        "xl/worksheets/one.xml": f'<worksheet xmlns="{namespace}"><dimension ref="A1:XFD1048576"/>'
        f"<sheetData>{rows}</sheetData></worksheet>",
        "xl/strings.xml": f'<sst xmlns="{namespace}">{strings}</sst>',
    } | (extra or {})


def zipped(members: dict[str, str]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return file.getvalue()


def inline(*texts: str) -> str:
    return "<row>" + "".join(f'<c t="inlineStr"><is><t>{text}</t></is></c>' for text in texts) + "</row>"


def one(data: bytes, options: ParseOptions = XLSX) -> Batch:
    (batch,) = parsed(data, options, batch_bytes=1_000_000, chunk=65536)
    return batch


texts = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="_") | st.sampled_from("\n\t "),
    min_size=1,
    max_size=8,
)


def moment(hour: int = 0, minute: int = 0, second: int = 0, microsecond: int = 0) -> dt.datetime:
    """Workbooks know no time zones."""
    return dt.datetime.combine(dt.date(2024, 2, 29), dt.time(hour, minute, second, microsecond))


cells = (
    st.none()
    | texts
    | st.integers(-(10**15), 10**15)
    | st.integers(-(10**9), 10**9).map(lambda number: number / 8)
    | st.booleans()
    | st.dates(dt.date(1900, 3, 1))
)


def expected(cell: object) -> str | None:
    match cell:
        case None:
            return None
        case bool():
            return str(cell).lower()
        case dt.date():
            return cell.isoformat()
        case str():
            return cell
        case _:
            return str(Decimal(repr(cell)))


@given(st.lists(st.tuples(cells, cells, cells), max_size=6), st.sampled_from([1, 50, 65536]))
@settings(max_examples=examples(40), deadline=None)
def test_what_openpyxl_writes_is_read_back(rows: list[tuple[object, ...]], batch_bytes: int) -> None:
    rows = [tuple(f"'{cell}" if isinstance(cell, str) else cell for cell in row) for row in rows]
    data = workbook(("a", "b", "c"), *rows)
    batches = assert_chunks_do_not_matter(data, XLSX, batch_bytes)
    wanted = [[expected(cell) for cell in row] for row in rows if any(cell is not None for cell in row)]
    got = rows_of(batches)
    assert len(got) == len(wanted)
    for read, row in zip(got, wanted, strict=True):
        assert isinstance(read, list)
        assert [same(text) for text in read] == [same(text) for text in row]
    assert_every_boundary_can_be_entered(data, XLSX, batch_bytes)


def same(text: str | None) -> object:
    """Numbers compare by value, so that the test need not know how they are written."""
    try:
        return float(text or "")
    except ValueError:
        return text


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        ("1", "1"),
        ("1.0", "1"),
        ("0.10000000000000001", "0.1"),
        ("-0.5", "-0.5"),
        ("1.2345678901234568E+16", "12345678901234568"),
        ("1E-7", "1e-07"),
        ("1E+300", "1e+300"),
        ("9007199254740993", "9007199254740993"),
        ("12 apples", "12 apples"),
    ],
)
def test_numbers_are_the_shortest_text_of_the_same_value(stored: str, text: str) -> None:
    assert one(zipped(parts(inline("n") + f"<row><c><v>{stored}</v></c></row>"))).rows == [[text]]


@pytest.mark.parametrize(
    ("value", "number_format", "text"),
    [
        (dt.date(2024, 2, 29), "yyyy-mm-dd", "2024-02-29"),
        (moment(13, 5, 9), "yyyy-mm-dd hh:mm:ss", "2024-02-29T13:05:09"),
        (moment(), "yyyy-mm-dd hh:mm", "2024-02-29T00:00:00"),
        (moment(13, 5, 9, 250_000), "dd/mm/yyyy", "2024-02-29T13:05:09.250"),
        (dt.time(13, 5, 9), "h:mm AM/PM", "13:05:09"),
        (dt.timedelta(hours=30, minutes=5), "[h]:mm:ss", "30:05:00"),
        (-1.5, "[h]:mm", "-36:00:00"),
        (44000, 'd "of" mmmm', "2020-06-18"),
        (44000.5, "mm:ss", "2020-06-18T12:00:00"),
        (44000, '0.00" days"', "44000"),
        (44000, "[Red]#,##0", "44000"),
        (44000, "General", "44000"),
        (44000, "mmm", "2020-06-18"),
        (44000, r"0\d", "44000"),
        (1, "yyyy-mm-dd", "1900-01-01"),
        (59, "yyyy-mm-dd", "1900-02-28"),
        (60, "yyyy-mm-dd", "60"),
        (61, "yyyy-mm-dd", "1900-03-01"),
        (0, "yyyy-mm-dd", "0"),
        (0, "hh:mm", "00:00:00"),
        (0.5, "yyyy-mm-dd", "12:00:00"),
        (-5, "yyyy-mm-dd", "-5"),
        (3_000_000, "yyyy-mm-dd", "3000000"),
        (1e300, "yyyy-mm-dd", "1e+300"),
    ],
)
def test_number_formats_decide_what_is_a_date(value: dt.date | float, number_format: str, text: str) -> None:
    book = Workbook()
    sheet(book).append(["a"])
    cell = sheet(book).cell(2, 1, value)
    cell.number_format = number_format
    assert one(saved(book)).rows == [[text]]


def test_dates_may_count_from_1904() -> None:
    book = Workbook()
    book.epoch = CALENDAR_MAC_1904
    sheet(book).append(["a"])
    sheet(book).append([dt.date(2024, 2, 29)])
    sheet(book).append([dt.date(1904, 1, 1)])
    assert one(saved(book)).rows == [["2024-02-29"], ["1904-01-01"]]


def test_booleans_errors_and_iso_dates_are_texts() -> None:
    rows = (
        '<row><c t="b"><v>1</v></c><c t="b"><v>0</v></c><c t="e"><v>#N/A</v></c>'
        '<c t="d"><v>2024-02-29T10:00:00Z</v></c></row>'
    )
    assert one(zipped(parts(inline("a", "b", "c", "d") + rows))).rows == [
        ["true", "false", "#N/A", "2024-02-29T10:00:00Z"]
    ]


def test_formulas_count_with_their_stored_value() -> None:
    rows = (
        '<row r="2"><c r="A2"><f>1+1</f><v>2</v></c><c r="B2" t="str"><f>"x"</f><v>x</v></c></row>'
        '<row r="3"><c r="A3"><v>1</v></c><c r="B3" t="str"><f>""</f><v></v></c></row>'
    )
    assert one(zipped(parts(inline("a", "b") + rows))).rows == [["2", "x"], ["1", ""]]


def test_a_formula_without_stored_value_costs_its_row() -> None:
    batch = one(workbook(["a", "b"], [1, "=A2+1"], [2, 3]))
    assert batch.rows == [["2", "3"]]
    (reject,) = batch.rejects
    assert reject.position.row == 1
    assert reject.reason.startswith("the formula in B2 has no stored value")
    assert reject.position.raw == "Sheet, row 2: 1"


def test_of_merged_cells_the_first_holds_the_value() -> None:
    book = Workbook()
    sheet(book).append(["a", "b", "c"])
    sheet(book).append(["x", None, "y"])
    sheet(book).merge_cells("A2:B3")
    sheet(book)["C3"] = "z"
    assert one(saved(book)).rows == [["x", None, "y"], [None, None, "z"]]


def test_blank_rows_down_to_the_last_of_a_sheet_are_no_records_and_take_no_memory() -> None:
    def rows() -> Iterator[str]:
        yield inline("a", "b")
        for number in range(2, 50_000):
            yield f'<row r="{number}" spans="1:2" s="1" customFormat="1"><c r="A{number}" s="1"/></row>'
        yield '<row r="1048576"><c r="B1048576"><v>7</v></c></row>'

    data = zipped(parts("".join(rows())))
    tracemalloc.start()
    batches = list(parse(chunked(data, 65536), XLSX, batch_bytes=100_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert rows_of(batches) == [[None, "7"]]
    assert batches[0].position(0) == (place := batches[0].position(0))
    assert (place.row, place.offset, place.raw) == (1, 0, "Data, row 1048576: ,7")
    assert peak < 2_000_000


def test_strings_may_be_shared_rich_escaped_or_pronounced() -> None:
    strings = (
        "<si><t>plain</t></si><si><r><t>ri</t></r>\n<r><rPr><b/></rPr><t>ch</t></r></si>"
        "<si><t>東京</t><rPh sb='0' eb='2'><t>トウキョウ</t></rPh></si>"
        "<si><t xml:space='preserve'> a_x000A_b </t></si><si/>"
    )
    rows = "".join(f'<row><c t="s"><v>{number}</v></c></row>' for number in range(5)) + inline("_x0041_ _xD800_")
    batch = one(zipped(parts(inline("s") + rows, strings=strings)))
    assert batch.rows == [["plain"], ["rich"], ["東京"], [" a\nb "], ["A _xD800_"]]


def test_a_shared_string_that_is_missing_costs_its_row() -> None:
    rows = '<row><c t="s"><v>0</v></c></row><row><c t="s"><v>1</v></c></row><row><c t="s"><v>-1</v></c></row>'
    batch = one(zipped(parts(inline("s") + rows, strings="<si><t>x</t></si>")))
    assert batch.rows == [["x"]]
    assert [row for row, _ in rejects_of([batch])] == [2, 3]


@pytest.mark.parametrize("namespace", [MAIN, STRICT])
def test_prefixes_and_namespaces_do_not_matter(namespace: str) -> None:
    body = (
        f'<x:worksheet xmlns:x="{namespace}"><x:sheetData><x:row r="1"><x:c r="A1" t="inlineStr"><x:is><x:t>a</x:t>'
        '</x:is></x:c></x:row><x:row r="2"><x:c r="A2"><x:v>1</x:v></x:c></x:row></x:sheetData></x:worksheet>'
    )
    assert one(zipped(parts("", namespace=namespace, extra={"xl/worksheets/one.xml": body}))).rows == [["1"]]


def test_a_table_may_begin_anywhere() -> None:
    book = Workbook()
    for row in (["a", "b"], [1, 2], [None, 3]):
        sheet(book).append([None, None, *row])
    sheet(book).insert_rows(1, 4)
    batch = one(saved(book))
    assert (batch.names, batch.rows) == (("a", "b"), [["1", "2"], [None, "3"]])


def test_values_beside_the_header_cost_their_row() -> None:
    book = Workbook()
    for row in ([None, "a", "b", None], [None, 1, 2, None], [0, 3, 4, None], [None, 5, 6, "note"]):
        sheet(book).append(row)
    batch = one(saved(book))
    assert batch.rows == [["1", "2"]]
    assert rejects_of([batch]) == [(row, "values outside the columns of the header") for row in (2, 3)]


def test_headers_are_checked_as_those_of_a_csv() -> None:
    assert one(workbook(["a", None, "a"], [1, 2, 3])).names == ("a", "", "a")
    with pytest.raises(HeaderRowError, match="no stored value"):
        parsed(workbook(["a", "=1"], [1, 2]), XLSX)


def test_columns_may_come_from_the_route() -> None:
    options = ParseOptions(format=Format.XLSX, header=False, columns=("x", "y"))
    batch = one(workbook([1, 2], [3]), options)
    assert (batch.names, batch.rows) == (("x", "y"), [["1", "2"], ["3", None]])
    with pytest.raises(InvalidRouteError):
        parsed(workbook([1, 2]), ParseOptions(format=Format.XLSX, header=False))


def test_a_row_over_the_limit_is_rejected() -> None:
    batches = parsed(workbook(["a"], ["x" * 500], [1]), ParseOptions(format=Format.XLSX, max_record=100))
    assert rows_of(batches) == [["1"]]
    assert rejects_of(batches) == [(1, "longer than 100 characters")]


def test_the_sheet_is_chosen_by_name_or_is_the_first_visible_one() -> None:
    book = Workbook()
    sheet(book).title = "Hidden"
    sheet(book).sheet_state = "hidden"
    sheet(book).append(["h"])
    sheet(book).append([1])
    for name in ("First", "Second"):
        other = book.create_sheet(name)
        other.append([name])
        other.append([2])
    data = saved(book)
    assert one(data).names == ("First",)
    for name, header in (("Second", "Second"), ("Hidden", "h")):
        assert one(data, ParseOptions(format=Format.XLSX, sheet=name)).names == (header,)
    with pytest.raises(RecordsMissingError, match="'Hidden', 'First', 'Second'"):
        parsed(data, ParseOptions(format=Format.XLSX, sheet="Third"))


@pytest.mark.parametrize("data", [b"", workbook(), workbook([], [None])], ids=["no bytes", "no rows", "empty rows"])
def test_an_empty_sheet_has_no_batches(data: bytes) -> None:
    assert parsed(data, XLSX) == []


def test_a_sheet_with_only_a_header_has_one_batch_of_its_names() -> None:
    batch = one(workbook([], [None], ["a", "b"]))
    assert (batch.names, batch.rows, batch.count) == (("a", "b"), (), 0)


def test_a_load_goes_on_after_any_row() -> None:
    data = workbook(["n"], *([number] for number in range(20)))
    batches = parsed(data, XLSX, resume=Resume(row=8), batch_bytes=10)
    assert batches[0].first_row == 8
    assert rows_of(batches) == [[str(number)] for number in range(7, 20)]
    assert parsed(data, XLSX, resume=Resume(row=21)) == []


def encrypted_member() -> bytes:
    data = bytearray(workbook(["a"], [1]))
    at = 0
    while (at := data.find(b"PK\x01\x02", at)) >= 0:
        struct.pack_into("<H", data, at + 8, 1)
        at += 4
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a,b\n1,2\n", "the file is not a workbook"),
        (bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 1000, "encrypted"),
        (encrypted_member(), "encrypted"),
        (workbook(["a"], [1])[:-100], "cut off or damaged"),
        (zipped({"readme.txt": "hello"}), "missing"),
        (zipped({**parts(""), "_rels/.rels": RELATIONS.format("")}), "no workbook"),
        (zipped({**parts(""), "xl/workbook.xml": f"<workbook xmlns='{MAIN}'></b>"}), "damaged"),
        (zipped({**parts(""), "xl/workbook.xml": "<workbook/>"}), "is not a workbook"),
        (zipped({**parts(""), "xl/worksheets/one.xml": f"<worksheet xmlns='{MAIN}'><row>"}), "damaged"),
        (zipped({**parts(""), "xl/worksheets/one.xml": f"<chartsheet xmlns='{MAIN}'/>"}), "is not a worksheet"),
        (zipped({**parts(""), "xl/worksheets/one.xml": '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'}), "DTD"),
        (zipped(parts(inline("a") + '<row><c r="ZZZZ1"><v>1</v></c></row>')), "not a cell reference"),
        (zipped(parts(inline("a") + '<row><c r="1"><v>1</v></c></row>')), "not a cell reference"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_workbook_is_an_error_that_says_why(data: bytes, message: str) -> None:
    with pytest.raises(BadDocumentError, match=message):
        parsed(data, XLSX)


def test_damage_in_the_middle_is_found() -> None:
    data = bytearray(workbook(["a"], *([os.urandom(20).hex()] for _ in range(5000))))
    start = data.index(b"xl/worksheets/sheet1.xml") + 1000
    data[start : start + 4] = bytes(byte ^ 0xFF for byte in data[start : start + 4])
    with pytest.raises(BadDocumentError, match="damaged"):
        parsed(bytes(data), XLSX, chunk=65536)


def test_a_workbook_without_worksheets_is_an_error() -> None:
    with pytest.raises(RecordsMissingError):
        parsed(zipped({**parts(""), "xl/workbook.xml": f"<workbook xmlns='{MAIN}'/>"}), XLSX)


def limited(data: bytes, limits: ReadLimits) -> list[Batch]:
    return list(parse(chunked(data, 1000), XLSX, batch_bytes=1000, limits=limits))


def test_a_workbook_larger_than_the_disk_allows_is_refused() -> None:
    data = workbook(["a"], [1])
    with pytest.raises(WorkbookTooLargeError) as caught:
        limited(data, ReadLimits(file_bytes=len(data) - 1))
    assert "/tmp" in caught.value.hint
    assert limited(data, ReadLimits(file_bytes=len(data)))


def test_limits_grow_with_the_function() -> None:
    small, large = (ReadLimits.within(memory * MIB, 512 * MIB) for memory in (128, 1769))
    assert small.file_bytes == 384 * MIB
    assert 24 * MIB <= small.strings_bytes < 32 * MIB
    assert large.strings_bytes > 800 * MIB
    assert ReadLimits.within(64 * MIB, 512 * MIB).strings_bytes == 24 * MIB


def test_strings_larger_than_memory_allows_are_refused() -> None:
    data = zipped(parts(inline("a"), strings="".join(f"<si><t>text {number}</t></si>" for number in range(1000))))
    with pytest.raises(WorkbookTooLargeError, match="strings"):
        limited(data, ReadLimits(strings_bytes=10_000))
    assert rows_of(limited(data, ReadLimits(strings_bytes=30_000))) == []


def test_one_endless_string_is_refused() -> None:
    data = zipped(parts(inline("a"), strings=f"<si><t>{'x' * 1_000_000}</t></si>"))
    with pytest.raises(WorkbookTooLargeError, match="strings"):
        limited(data, ReadLimits(strings_bytes=100_000, ratio=10_000))
    data = zipped(parts(inline("a"), strings=f"<si><t>{'x' * 3_000_000}</t></si>"))
    with pytest.raises(BadDocumentError, match="string of more than"):
        limited(data, ReadLimits(ratio=10_000))


def test_a_part_that_expands_too_far_is_refused() -> None:
    data = zipped(parts(inline("a") + "<row/>" * 300_000))
    with pytest.raises(ExpansionLimitError):
        limited(data, ReadLimits())
    with pytest.raises(ExpansionLimitError):
        limited(data, ReadLimits(expanded_bytes=1_500_000, ratio=10_000))
    assert rows_of(limited(data, ReadLimits(ratio=10_000))) == []


@pytest.mark.parametrize("row", ["<row>" + "<c/>" * 60_000 + "</row>", f"<row a='{'x' * 300_000}'/>"], ids=len)
def test_a_row_or_tag_without_end_is_refused(row: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx_sheet, "ROW_BYTES", 100_000)
    with pytest.raises(BadDocumentError, match="of more than"):
        parsed(zipped(parts(inline("a") + row)), ParseOptions(format=Format.XLSX, max_record=1000))


@given(st.data())
@settings(max_examples=examples(150), deadline=None)
def test_damaged_workbooks_raise_nothing_else(data: st.DataObject) -> None:
    good = GOOD
    damaged = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.sampled_from([len(good), len(good) // 2]))
    with suppress(PenstockError):
        parsed(bytes(damaged[:cut]), XLSX)


GOOD = zipped(parts(inline("a", "b") + '<row><c t="s"><v>0</v></c><c><v>1</v></c></row>', strings="<si><t>x</t></si>"))
