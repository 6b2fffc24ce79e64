"""Small workbooks that need much memory or time to read. Each must be rejected within the limits of both."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"

SHEET, STYLES, STRINGS, BOOK = "xl/sheet.xml", "xl/styles.xml", "xl/strings.xml", "xl/workbook.xml"


def relations(*links: tuple[str, str]) -> str:
    found = "".join(
        f'<Relationship Id="r{at}" Type="{OFFICE}/{kind}" Target="{to}"/>' for at, (kind, to) in enumerate(links)
    )
    return f'<Relationships xmlns="{PACKAGE}">{found}</Relationships>'


def book(parts: dict[str, str | bytes], entries: int = 0) -> bytes:
    """A workbook with one sheet and one record, with ``parts`` replaced and empty entries added."""
    contents: dict[str, str | bytes] = {
        "_rels/.rels": relations(("officeDocument", BOOK)),
        BOOK: f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets><sheet name="S" r:id="r0"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": relations(
            ("worksheet", "sheet.xml"), ("styles", "styles.xml"), ("sharedStrings", "strings.xml")
        ),
        SHEET: sheet('<row r="2"><c r="A2"><v>1</v></c></row>'),
        STYLES: f'<styleSheet xmlns="{MAIN}"/>',
        STRINGS: f'<sst xmlns="{MAIN}"/>',
        **parts,
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in contents.items():
            archive.writestr(name, text)
        for number in range(entries):
            archive.writestr(zipfile.ZipInfo(f"a{number}"), "")
    return file.getvalue()


def sheet(rows: str, head: str = "") -> str:
    header = '<row r="1"><c r="A1" t="str"><v>id</v></c></row>'
    return f'<worksheet xmlns="{MAIN}">{head}<sheetData>{header}{rows}</sheetData></worksheet>'


def styles(formats: str = "", cells: str = "") -> str:
    return f'<styleSheet xmlns="{MAIN}"><numFmts>{formats}</numFmts><cellXfs>{cells}</cellXfs></styleSheet>'


def strings(content: str) -> str:
    return f'<sst xmlns="{MAIN}">{content}</sst>'


def understated() -> bytes:
    """A workbook that declares one entry and has many."""
    data = bytearray(book({}, entries=60_000))
    struct.pack_into("<HH", data, data.rindex(b"PK\5\6") + 8, 1, 1)
    return bytes(data)


def lines(template: str, count: int) -> str:
    return "".join(template.format(number) for number in range(count))


def nested(count: int, attributes: str = "") -> str:
    return f"<e{attributes}>" * count + "</e>" * count


SHEETS = "<sheet name='S'/>"
ATTRIBUTE = "a{}='' "
EMOJI = "\N{GRINNING FACE}"

HOSTILE: dict[str, Callable[[], bytes]] = {
    "row number": lambda: book({SHEET: sheet(f'<row r="{"9" * 5000}"><c><v>1</v></c></row>')}),
    "row number of other digits": lambda: book({SHEET: sheet('<row r="²"><c><v>1</v></c></row>')}),
    "number of a style's format": lambda: book({STYLES: styles(cells=f'<xf numFmtId="{"9" * 5000}"/>')}),
    "number of a format": lambda: book({STYLES: styles(f'<numFmt numFmtId="-{"9" * 5000}" formatCode="0"/>')}),
    "brackets": lambda: book({STYLES: styles(f'<numFmt numFmtId="200" formatCode="{"[" * 1_000_000}"/>')}),
    "column": lambda: book({SHEET: sheet(f'<row><c r="{"A" * 200_000}1"><v>1</v></c></row>')}),
    "entries": lambda: book({}, entries=60_000),
    "more entries than it declares": understated,
    "sheets": lambda: book({BOOK: f'<workbook xmlns="{MAIN}"><sheets>{SHEETS * 1_000_000}</sheets></workbook>'}),
    "names of sheets": lambda: book(
        {
            BOOK: f'<workbook xmlns="{MAIN}"><sheets>'
            + lines(f"<sheet name='{EMOJI * 20_000}{{}}'/>", 400)
            + "</sheets></workbook>"
        }
    ),
    "relations": lambda: book(
        {"xl/_rels/workbook.xml.rels": relations(*(("worksheet", f"sheet{n}.xml") for n in range(300_000)))}
    ),
    "formats": lambda: book({STYLES: styles(lines('<numFmt numFmtId="{}" formatCode="yyyy"/>', 600_000))}),
    "cell styles": lambda: book({STYLES: styles(cells='<xf numFmtId="14"/>' * 1_300_000)}),
    "metadata": lambda: book({STYLES: styles() + " " * 70_000_000}),
    "attributes": lambda: book({SHEET: sheet(f"<row {lines(ATTRIBUTE, 1_300_000)}/>")}),
    "attributes in many tags": lambda: book({SHEET: sheet(lines('<x a{0}="" b{0}="" c{0}=""/>', 400_000))}),
    "attributes of metadata": lambda: book({STYLES: f'<styleSheet xmlns="{MAIN}" {lines(ATTRIBUTE, 1_300_000)}/>'}),
    "elements": lambda: book({SHEET: sheet("", head=lines("<e{}/>", 500_000))}),
    "prefixes": lambda: book({SHEET: sheet("", head=lines('<e xmlns:p{}="u"/>', 500_000))}),
    "namespaces": lambda: book({SHEET: sheet("", head=lines('<e xmlns:p="u{}"/>', 500_000))}),
    "a long namespace": lambda: book({SHEET: sheet("<p:e/>" * 1000, head=f'<e xmlns:p="{"u" * 200_000}"/>')}),
    "nesting": lambda: book({SHEET: sheet("", head=nested(1_000_000))}),
    "nesting in a row": lambda: book({SHEET: sheet(f"<row>{nested(100_000)}</row>")}),
    "nesting of metadata": lambda: book({STYLES: f'<styleSheet xmlns="{MAIN}">{nested(1_000_000)}</styleSheet>'}),
    "nested prefixes": lambda: book({SHEET: sheet("", head=nested(1000, lines(" xmlns:p{}='u'", 2000)))}),
    "nesting of strings": lambda: book({STRINGS: strings(f"<si>{nested(1_000_000)}</si>")}),
    "a string": lambda: book({STRINGS: strings(f"<si><t>{(EMOJI + 'x' * 8000) * 2000}</t></si>")}),
    "runs of a string": lambda: book({STRINGS: strings(f"<si>{'<r><t/></r>' * 2_000_000}</si>")}),
    "cells of a row": lambda: book({SHEET: sheet(f"<row>{'<c><v>12</v></c>' * 200_000}</row>")}),
    "a row": lambda: book({SHEET: sheet(f"<row><c t='str'><v>{(EMOJI + 'x' * 8000) * 2000}</v></c></row>")}),
    "a comment": lambda: book({SHEET: sheet("", head=f"<!--{'x' * 20_000_000}-->")}),
}
