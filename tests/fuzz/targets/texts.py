"""Text files of records, and options to read them by."""

from __future__ import annotations

from random import Random

from penstock.errors import PenstockError
from penstock.model.column import Column, ColumnType
from penstock.model.parse_options import Extra, Format, ParseOptions
from penstock.model.record import Batch
from penstock.model.table import Table, TablePlan
from penstock.tables import ChunkBuilder, Form, complete

ENCODINGS = (
    *("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "cp1252", "latin-1", "shift_jis"),
    *("gb18030", "euc_kr", "cp037", "cp1006", "big5hkscs", "utf-7", "idna", "iso2022_jp", "koi8_r", "cp864", "ascii"),
)
CELLS = (
    *(
        "1",
        "-0",
        "007",
        "1.5",
        "1e5",
        "1e999999999",
        "-1E-400000000",
        "9" * 50,
        "1e400",
        "nan",
        "inf",
        "true",
        "",
        "NULL",
    ),
    *(
        "2024-02-30",
        "2024-01-01",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31 23:59:59.999999-12:00",
        "24:00",
        "é",
        "\0",
        "ü€",
    ),
    *(
        '"',
        '""',
        "'",
        '"a\nb"',
        '"a,b"',
        '"a"b',
        "a\rb",
        "\u2028",
        "\ufeff",
        "\x1a",
        "\\N",
        "\\.",
        " 1 ",
        "{}",
        "[1, {}]",
    ),
    *(
        '{"a": NaN}',
        "[" * 3000,
        '"\\ud800"',
        '{"a": 1e999999999}',
        "\U0001f600",
        "1_000",
        "٣",
        "0x10",
        "1,5",
        "12:61:00",
    ),
)
TYPES = tuple(ColumnType)


def csv_text(rng: Random) -> bytes:
    delimiter, end = rng.choice((",", ",", ";", "\t", "|")), rng.choice(("\n", "\n", "\r\n", "\r"))
    width = rng.choice((1, 2, 3, 5))
    lines = [delimiter.join(f"c{number}" for number in range(width))]
    for _ in range(rng.choice((0, 1, 5, 40))):
        cells = rng.choices(CELLS, k=width)
        if rng.random() < 0.7:
            cells = [
                f'"{cell.replace(chr(34), chr(34) * 2)}"' if set(cell) & {*'"\r\n', delimiter} else cell
                for cell in cells
            ]
        lines.append(delimiter.join(cells))
    return encoded(rng, rng.choice(("", "", "", "sep=;\n", "\ufeff")) + end.join(lines) + rng.choice(("", end)))


def encoded(rng: Random, text: str) -> bytes:
    return text.encode(rng.choice(ENCODINGS[:15]), "replace")


def options_of(rng: Random, form: Format) -> ParseOptions:
    header = rng.random() < 0.6
    return ParseOptions(
        format=form,
        delimiter=rng.choice((",", ",", ",", ";", "\t", "|", "é", '"', "a", "€", " ")),
        quote=rng.choice(('"', '"', '"', "'", "", "é", "\0", ",")),
        header=header,
        columns=() if header and rng.random() < 0.8 else rng.choice((("c0", "c1"), ("c0", "c1", "c2"), ("c0",))),
        encoding=rng.choice(ENCODINGS),
        records=rng.choice(("", "", "", "a", "a.b", "a..b", "é", "0")),
        sheet=rng.choice(("", "", "Sheet", "nowhere", "\0")),
        max_record=rng.choice((1, 2, 10, 100, 1 << 20, 1 << 20)),
        escape=rng.choice(("", "", "", "\\", "a")),
        comment=rng.choice(("", "", "", "#", "1", '"', "é", "\0")),
        skip_footer=rng.choice((0, 0, 0, 1, 3, 10**6)),
        footer=rng.choice(("", "", "", "1", r"(?P<rows>\d+)", "^é", "")),
        extra=rng.choice(list(Extra)),
    )


def shape(rng: Random, options: ParseOptions, batch: Batch) -> None:
    """What becomes of a batch on its way to a table of types that may or may not be those of its values."""
    if rng.random() < 0.5:
        table = Table("t")
    else:
        names = (batch.names or ("a", "b", "c0"))[:6]
        formats = {ColumnType.DATE: ("%d.%m.%Y", "%j%y"), ColumnType.TIMESTAMP: ("%Y %H %z", "%c")}
        columns = []
        for name in names:
            kind = rng.choice(TYPES)
            columns.append(Column(name, kind, formats=formats.get(kind, ()) if rng.random() < 0.3 else ()))
        table = Table("t", tuple(columns))
    plan = TablePlan(options, table)
    for form in Form:
        try:
            maker = ChunkBuilder(complete(plan, batch), form)
            chunk, rejects = maker.chunk(0, batch)
        except PenstockError:
            continue
        assert chunk.records == batch.count
        assert sum(rows.count for rows in chunk.rows) + len(rejects) == batch.count
        for rows in chunk.rows:
            assert all(len(column) == rows.count for column in rows.columns)
            assert all(rows.position(row).row for row in range(rows.count))
