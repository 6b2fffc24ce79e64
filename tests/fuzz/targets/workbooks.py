"""Damaged workbooks: the zip itself, and the XML in its members."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from dataclasses import replace
from functools import lru_cache
from random import Random
from typing import Any

from fuzz.harness import Target
from fuzz.mutation import damaged
from fuzz.targets.tables import read
from fuzz.targets.texts import options_of
from penstock.model.parse_options import Format, ParseOptions, SheetTable

# As narrow as rows can be that have all columns.
WIDE = '<row><c r="XFD1"><v>1</v></c></row>' * 2000

TOKENS = tuple(
    text.encode("utf-8", "surrogatepass")
    for text in (
        *(
            "<",
            ">",
            "</",
            "/>",
            "&amp;",
            "&#0;",
            "&#xD800;",
            "&a;",
            "<!DOCTYPE a>",
            "<![CDATA[",
            "]]>",
            "<!--",
            "<?xml?>",
        ),
        *(
            '<?xml version="1.0" encoding="utf-16"?>',
            '<?xml version="1.0" encoding="shift_jis"?>',
            "\0",
            "_x0041_",
            "_xD800_",
        ),
        *(
            '<?xml version="1.0" encoding="nonsense"?>',
            '<?xml version="1.0" encoding="idna"?>',
            "<a>" * 3000,
            "x" * 5000,
        ),
        *(
            'r="XFD1048576"',
            'r="XFE1"',
            'r="A0"',
            'r=""',
            'r="1"',
            'r="é1"',
            't="s"',
            't="inlineStr"',
            't="n"',
            't="d"',
            't="b"',
        ),
        *(
            't="e"',
            's="1"',
            's="-1"',
            's="9999999999"',
            "<v>",
            "</v>",
            "<v>1e999</v>",
            "<v>-1</v>",
            "<v>99999999999999999999</v>",
        ),
        *(
            "<v>NaN</v>",
            "<v>" + "9" * 5000 + "</v>",
            "<v>²</v>",
            "<v>1_0</v>",
            "<f>",
            "<f/>",
            "<row>",
            "</row>",
            "<c>",
            "</c>",
            "<is><t>a</t></is>",
        ),
        *(
            'r="' + "9" * 5000 + '"',
            'r="²"',
            "<t>",
            "</t>",
            "<rPh>",
            "</rPh>",
            "<si>",
            "</si>",
            'date1904="1"',
            'state="hidden"',
            'Target="../../x"',
        ),
        *(
            'Target=""',
            'Target="/"',
            'numFmtId="' + "9" * 5000 + '"',
            'numFmtId="14"',
            'formatCode="[h]:mm"',
            "xmlns:a=''",
            "a:",
        ),
    )
)


@lru_cache
def members(kind: int) -> tuple[tuple[str, bytes], ...]:
    from openpyxl import Workbook  # slow to import, and only this target needs it

    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["name", "when", "n", "flag", "text"])
    for number in range((3, 40)[kind % 2]):
        moment = dt.datetime(2024, 1, 31, 12, 30, tzinfo=None) if number % 2 else dt.time(1, 2)  # noqa: DTZ001  # Excel knows no zones
        sheet.append([f"row {number}", moment, number / 3, number % 2 == 0, "=A1" if number == 2 else "é\n_x0041_"])
    book.create_sheet("Second").append(["a"])
    file = io.BytesIO()
    book.save(file)
    with zipfile.ZipFile(file) as archive:
        return tuple((name, archive.read(name)) for name in archive.namelist())


def zipped(files: list[tuple[str, bytes]], rng: Random) -> bytes:
    file = io.BytesIO()
    method = rng.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED, zipfile.ZIP_BZIP2))
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in files:
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return file.getvalue()


def make(rng: Random) -> bytes:
    files = list(members(rng.randrange(2)))
    if rng.random() < 0.4:
        return damaged(
            rng, zipped(files, rng), (b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\6\6", b"PK\6\7", b"\xff" * 4, b"\xff" * 8)
        )
    for _ in range(rng.choice((1, 1, 2))):
        at = rng.choice([at for at, (name, _) in enumerate(files) if "docProps" not in name and "theme" not in name])
        name, data = files[at]
        files[at] = name, damaged(rng, data, TOKENS)
    if rng.random() < 0.1:
        del files[rng.randrange(len(files))]
    return zipped(files, rng)


def options(rng: Random) -> ParseOptions:
    """Also of several sheets, and of some of their cells."""
    found = options_of(rng, Format.XLSX)
    has_footer = rng.random() < 0.3  # few workbooks have the one that the options ask for
    several = (SheetTable("sec*", ("a",)), SheetTable("Sheet", ("name", "n")), SheetTable("x?"))
    areas = ("A1:C", "B2:XFD9", "C:D", "D2:D2")
    cells: dict[str, Any] = rng.choice(({}, {"skip_rows": rng.randrange(3)}, {"range": rng.choice(areas)}))
    return replace(
        found,
        sheet=rng.choice((found.sheet, "#2", "s*")),
        find_header=found.header and rng.random() < 0.3,
        declared=("name",),
        sheets=several if rng.random() < 0.3 else (),
        refuse_others=rng.random() < 0.5,
        skip_footer=rng.choice((0, 1, 3)) if has_footer else 0,
        footer=rng.choice(("", "^row", "(?P<rows>[0-9]*)")) if has_footer else "",
        **cells,
    )


def check(data: bytes, rng: Random) -> None:
    for _ in read(data, options(rng), rng):
        pass


TARGETS = (Target("xlsx", make, check),)
