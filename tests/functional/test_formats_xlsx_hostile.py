"""XLSX: what a workbook may hold is bounded, whatever it says; and odd ones are read as spreadsheet programs do."""

from __future__ import annotations

import tracemalloc
import zipfile
from io import BytesIO

import pytest

from hostile_workbooks import BOOK, HOSTILE, MAIN, OFFICE, SHEET, STRINGS, STYLES, book, lines, sheet, strings, styles
from lengths import long
from penstock.errors import BadDocumentError
from penstock.formats import ReadLimits, parse
from penstock.formats.xlsx.cells import CellType, cell_type_of
from penstock.limits import MIB
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.record import Batch

STRICT = "http://purl.oclc.org/ooxml/spreadsheetml/main"
XLSX = ParseOptions(format=Format.XLSX)
# Ratios are another limit, which would refuse some of these before.
ANY_RATIO = ReadLimits(ratio=1e9)


def batches(data: bytes) -> list[Batch]:
    return list(parse([data], XLSX, batch_bytes=100_000, limits=ANY_RATIO))


def rows(data: bytes) -> list[object]:
    return [row for batch in batches(data) for row in batch.rows]


# Limits that others of these reach, too.
LONG = {"attributes of metadata", "formats", "namespaces", "nesting of metadata", "nesting of strings", "relations"}


@pytest.mark.parametrize("name", [long(name) if name in LONG else name for name in HOSTILE])
def test_a_hostile_workbook_is_refused_within_memory(name: str) -> None:
    data = HOSTILE[name]()
    tracemalloc.start()
    with pytest.raises(BadDocumentError):
        batches(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # The smallest function has 56 MiB in addition to its runtime, 24 of them for strings.
    assert peak < 32 * MIB, f"{peak / MIB:.0f} MiB"


def test_a_long_row_is_rejected_within_memory() -> None:
    text = ("\N{GRINNING FACE}" + "x" * 8000) * 500
    data = book({SHEET: sheet(f"<row><c t='str'><v>{text}</v></c></row>" * 3)})
    tracemalloc.start()
    (batch,) = batches(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [reject.reason for reject in batch.rejects] == ["longer than 1,048,576 characters"] * 3
    assert peak < 40 * MIB, f"{peak / MIB:.0f} MiB"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("[" * 200_000, None),
        ('"' * 199_999, None),
        ("[h" * 100_000, None),
        ("\\" * 200_000 + "d", CellType.DATE),
        ("_", None),
        ("[hh]:mm", CellType.DURATION),
        ("[H]", CellType.DURATION),
        ("[hm]", None),
        ('"[h]" 0', None),
        ('"a;b" yyyy', CellType.DATE),
        ("0;[h]", None),
        ("[Red]yyyy", CellType.DATE),
        ("[$-409]d/m/yyyy h:mm", CellType.TIMESTAMP),
        ("\\\nyyyy", CellType.DATE),
    ],
    ids=range(14),
)
def test_a_format_code_is_read_once_from_left_to_right(code: str, kind: CellType | None) -> None:
    assert cell_type_of(200, code) is kind


def test_as_many_formats_and_styles_as_excel_makes_are_read() -> None:
    made = styles(
        lines('<numFmt numFmtId="{}" formatCode="yyyy"/>', 65_490), "<xf/>" * 65_489 + '<xf numFmtId="65489"/>'
    )
    data = book({STYLES: made, SHEET: sheet('<row><c s="65489"><v>45000</v></c></row>')})
    assert rows(data) == [["2023-03-15"]]


def test_only_elements_of_the_right_namespace_and_parent_count() -> None:
    """In an earlier release, each of these elements was accepted because of its local name."""
    other = 'xmlns:o="http://schemas.microsoft.com/office/spreadsheetml/2010/11/main"'
    cell = '<c r="A2" s="1"><v>45000</v><extLst><ext><v>7</v><t>7</t><o:v>7</o:v></ext></extLst></c>'
    beside = '<extLst><ext><row r="9"><c><v>9</v></c></row></ext></extLst>'
    data = book(
        {
            BOOK: f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}" {other} o:date1904="1"><workbookPr date1904="true"/>'
            '<sheets><o:sheet name="No" r:id="r1"/><sheet name="S" r:id="r0" o:id="r9"/></sheets>'
            '<extLst><ext><o:workbookPr/><workbookPr/><sheets><sheet name="X" r:id="r0"/></sheets></ext></extLst>'
            "</workbook>",
            STYLES: f'<styleSheet xmlns="{MAIN}" {other}><numFmts><numFmt numFmtId="200" formatCode="yyyy"/>'
            '<o:numFmt numFmtId="200" formatCode="0"/></numFmts><cellStyleXfs><xf/><xf/></cellStyleXfs>'
            '<cellXfs><xf/><o:xf/><xf numFmtId="200"><extLst><xf numFmtId="0"/></extLst></xf></cellXfs>'
            '<dxfs><dxf><numFmt numFmtId="200" formatCode="0"/></dxf></dxfs></styleSheet>',
            SHEET: f'<worksheet xmlns="{MAIN}" {other}>{beside}<sheetData><row><c t="str"><v>id</v></c></row>'
            f'<o:row><c><v>8</v></c></o:row><row r="2"><o:c><v>8</v></o:c>{cell}</row><c><v>8</v></c></sheetData>'
            f"{beside}</worksheet>",
        }
    )
    assert rows(data) == [["2027-03-16"]]


def test_shared_strings_hold_texts_and_runs_alone() -> None:
    content = (
        "<si><t>a</t><extLst><t>x</t><si><t>x</t></si></extLst></si><t>x</t>"
        '<o:si xmlns:o="urn:o"><t>x</t></o:si>'
        "<si><r><rPr><t>x</t></rPr><t>b</t></r><rPh><t>x</t></rPh><r><t>c<u>x</u>d</t></r></si>"
    )
    cells = '<row><c t="s"><v>0</v></c></row><row><c t="s"><v>1</v></c></row>'
    assert rows(book({STRINGS: strings(content), SHEET: sheet(cells)})) == [["a"], ["bcd"]]


@pytest.mark.parametrize("namespace", [MAIN, STRICT])
def test_prefixes_may_change_from_element_to_element(namespace: str) -> None:
    data = book(
        {
            SHEET: f'<x:worksheet xmlns:x="{namespace}"><sheetData xmlns="{namespace}"><x:row><c t="str"><x:v>id'
            f'</x:v></c></x:row><y:row xmlns:y="{namespace}" xmlns:x="urn:other">'
            f"<c><y:v>1</y:v></c><x:c><v>2</v></x:c></y:row>"
            "</sheetData></x:worksheet>"
        }
    )
    assert rows(data) == [["1"]]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ('<c t="inlineStr"><v>1.</v><is><t>2.</t></is></c>', "2."),
        ('<c t="inlineStr"><is><t>2.</t></is><v>1.</v></c>', "2."),
        ('<c t="inlineStr"><is><r><t>2</t></r><r><t>.</t></r><rPh><t>x</t></rPh></is><v>1.</v></c>', "2."),
        ('<c t="inlineStr"><v>1.</v></c>', "1."),
        ("<c><v>1.5</v><is><t>2.</t></is></c>", "1.5"),
        ('<c t="b"><v>true</v></c>', "true"),
        ("<c><v>1_0</v></c>", "1_0"),
        ("<c><v>\N{FULLWIDTH DIGIT ONE}</v></c>", "\N{FULLWIDTH DIGIT ONE}"),
        ("<c><v>1E400</v></c>", "1E400"),
        ("<c><v>NaN</v></c>", "NaN"),
    ],
)
def test_a_cell_has_the_value_that_its_type_says(cell: str, text: str) -> None:
    assert rows(book({SHEET: sheet(f"<row>{cell}</row>")})) == [[text]]


@pytest.mark.parametrize("encoding", ["GBK", "shift_jis", "nonsense", "utf-7", "idna", "rot13"])
@pytest.mark.parametrize("part", [SHEET, STRINGS, STYLES, BOOK, "_rels/.rels"])
def test_an_encoding_that_cannot_be_read_is_named(encoding: str, part: str) -> None:
    with zipfile.ZipFile(BytesIO(book({}))) as good:
        text = good.read(part)
    with pytest.raises(BadDocumentError, match=f"{part} is encoded in '{encoding}'"):
        batches(book({part: f'<?xml version="1.0" encoding="{encoding}"?>'.encode() + text}))


@pytest.mark.parametrize("encoding", ["utf-8", "UTF-16", "iso-8859-1", "windows-1252"])
def test_other_encodings_are_read(encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?>' + sheet('<row><c t="str"><v>ä</v></c></row>')
    assert rows(book({SHEET: text.encode(encoding)})) == [["ä"]]


def test_parts_are_found_whatever_separates_their_folders() -> None:
    made = BytesIO()
    with zipfile.ZipFile(BytesIO(book({}))) as good, zipfile.ZipFile(made, "w") as archive:
        for name in good.namelist():
            text = good.read(name).replace(b'Target="sheet.xml"', b'Target="Sheets\\a%20b.xml"')
            archive.writestr("/" + name.replace("xl/sheet.xml", "xl/sheets/a b.xml").replace("/", "\\"), text)
    assert rows(made.getvalue()) == [["1"]]


def test_missing_styles_are_no_styles() -> None:
    made = BytesIO()
    with zipfile.ZipFile(BytesIO(book({}))) as good, zipfile.ZipFile(made, "w") as archive:
        for name in good.namelist():
            if name != STYLES:
                archive.writestr(name, good.read(name))
    assert rows(made.getvalue()) == [["1"]]


def test_a_binary_workbook_is_named() -> None:
    data = book({"_rels/.rels": f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        f'<Relationship Id="r" Type="{OFFICE}/officeDocument" Target="xl/workbook.bin"/></Relationships>'})  # fmt: skip
    with pytest.raises(BadDocumentError, match="xlsb"):
        batches(data)
