"""The options of `run` for parsing and tables: the fields of a route."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from functools import wraps
from typing import Any, TypeVar

import click

from penstock.model.commit import PARTITIONS, TABLE
from penstock.model.file_options import COMPRESSIONS
from penstock.model.parse_options import Extra, Format, LineLength, Trim, Units
from penstock.model.table import Evolve, Mode

R = TypeVar("R")

QUOTING = ("standard", "none")


@dataclass(frozen=True, slots=True)
class TableOptions:
    """Options that are None or empty were not given: a route's defaults apply."""

    format: str | None = None
    delimiter: str | None = None
    quote: str | None = None
    escape: str | None = None
    quoting: str | None = None
    comment: str | None = None
    skip_footer: int | None = None
    footer: str | None = None
    extra: str | None = None
    encoding: str | None = None
    no_header: bool = False
    skip_lines: int = 0
    columns: str | None = None
    records: str | None = None
    sheet: str | None = None
    skip_rows: int | None = None
    range: str | None = None
    fields: str | None = None
    units: str | None = None
    record_prefix: str | None = None
    line_length: str | None = None
    trim: str | None = None
    record: str | None = None
    namespace: tuple[str, ...] = ()
    repeated: str | None = None
    mode: str | None = None
    key: tuple[str, ...] = ()
    create: bool = False
    atomic: bool = False
    null: tuple[str, ...] = ()
    evolve: str | None = None
    rescue: str | None = None
    rescue_values: bool = False
    replaces: str | None = None
    partition_by: tuple[str, ...] = ()
    file_size: str | None = None
    row_group_size: str | None = None
    compression: str | None = None
    max_rejects: str | None = None

    @property
    def given(self) -> list[str]:
        """The options that were given."""
        return [f"--{field.name.replace('_', '-')}" for field in fields(self) if getattr(self, field.name)]

    @property
    def options(self) -> dict[str, Any]:
        """The options for `penstock.run`."""
        return {
            "format": self.format,
            "delimiter": {"\\t": "\t", "tab": "\t"}.get(self.delimiter or "", self.delimiter),
            "quote": self.quote,
            "escape": self.escape,
            "quoting": self.quoting,
            "comment": self.comment,
            "skip_footer": self.skip_footer,
            "footer": self.footer,
            "extra": self.extra,
            "encoding": self.encoding,
            "header": not self.no_header,
            "skip_lines": self.skip_lines,
            "columns": self.columns.split(",") if self.columns else (),
            "records": self.records,
            "sheet": self.sheet,
            "skip_rows": self.skip_rows,
            "range": self.range,
            "fields": self.fields.split(",") if self.fields else (),
            "units": self.units,
            "record_prefix": self.record_prefix,
            "line_length": self.line_length,
            "trim": self.trim,
            "record": self.record,
            "namespaces": dict(each.partition("=")[::2] for each in self.namespace),
            "repeated": self.repeated.split(",") if self.repeated else (),
            "mode": self.mode,
            "key": [name for names in self.key for name in names.split(",")],
            "create": self.create,
            "atomic": self.atomic,
            "nulls": self.null,
            "evolve": self.evolve,
            "rescue": self.rescue,
            "rescue_values": self.rescue_values,
            "replaces": self.replaces,
            "partition_by": [name for names in self.partition_by for name in names.split(",")],
            "file_size": self.file_size,
            "row_group_size": self.row_group_size,
            "compression": self.compression,
            "max_rejects": self.max_rejects or 0,
        }


def _one_of(names: Iterable[str]) -> click.Choice:
    """Choice shows members of an enumeration as their repr."""
    return click.Choice([str(name) for name in names])


def table_options(command: Callable[..., R]) -> Callable[..., R]:
    """Add the options; the command receives them as ``table: TableOptions``."""

    @click.option("--mode", type=_one_of(Mode), help="How rows are written to the table.  [default: append]")
    @click.option(
        "--key", multiple=True, metavar="COLUMN", help="Key column for upsert. May be given several times, or as A,B."
    )
    @click.option("--create", is_flag=True, help="Create the table if it does not exist.")
    @click.option("--atomic", is_flag=True, help="Append or upsert all rows in one transaction at the end.")
    @click.option("--format", type=_one_of(Format), help="Format of the records.  [default: by the name of SRC]")
    @click.option("--delimiter", metavar="CHAR", help="Field separator of a CSV; \\t for a tab.  [default: , or found]")
    @click.option("--quote", metavar="CHAR", help='Quote character of a CSV.  [default: "]')
    @click.option("--escape", metavar="CHAR", help="Escape character of a CSV: \\\\ for a backslash.  [default: none]")
    @click.option("--quoting", type=_one_of(QUOTING), help="none: quotes of a CSV are text.  [default: standard]")
    @click.option("--comment", metavar="CHAR", help="Lines of a CSV that begin with it are no records.")
    @click.option("--skip-footer", type=int, metavar="N", help="The last N lines, or rows of a sheet, are no records.")
    @click.option(
        "--footer",
        metavar="REGEX",
        help="First line of the footer, or all its rows in a sheet; its group rows is the number of records.",
    )
    @click.option("--extra", type=_one_of(Extra), help="Records with more fields than the header.  [default: reject]")
    @click.option("--encoding", metavar="NAME", help="Text encoding.  [default: utf-8]")
    @click.option("--no-header", is_flag=True, help="The CSV has no header row; --columns names the fields.")
    @click.option(
        "--skip-lines", type=int, default=0, metavar="N", help="Lines of a CSV before its header or first record."
    )
    @click.option("--columns", metavar="A,B,...", help="Field names of a CSV; they replace those of the header.")
    @click.option(
        "--records", metavar="PATH", help="Path to the list of records in a JSON document, such as data.items."
    )
    @click.option(
        "--sheet",
        metavar="NAME",
        help="Sheet of a workbook: its name, a pattern, or #2 for the second.  [default: the first]",
    )
    @click.option("--skip-rows", type=int, metavar="N", help="Rows of a sheet before its header.  [default: 0]")
    @click.option("--range", metavar="CELLS", help="Cells of a sheet, such as B4:H; the first row is the header.")
    @click.option(
        "--fields", metavar="F,G,...", help="Fixed-width fields by position, such as 'id 1-10,name +30,rest 41-'."
    )
    @click.option("--units", type=_one_of(Units), help="What their positions count.  [default: characters]")
    @click.option("--record-prefix", metavar="TEXT", help="Only lines that begin so are records of fixed-width fields.")
    @click.option(
        "--line-length", type=_one_of(LineLength), help="Length of lines of fixed-width fields.  [default: padded]"
    )
    @click.option("--trim", type=_one_of(Trim), help="Where fixed-width fields lose their blanks.  [default: right]")
    @click.option("--record", metavar="PATH", help="Path to the records in an XML document, such as /orders/order.")
    @click.option(
        "--namespace",
        multiple=True,
        metavar="PREFIX=URI",
        help="Prefix for the names of a namespace in XML. May be given several times.",
    )
    @click.option("--repeated", metavar="A,B,...", help="XML elements that are lists also where there is only one.")
    @click.option(
        "--null",
        multiple=True,
        metavar="TEXT",
        help="Text that means null, like an empty field. May be given several times.",
    )
    @click.option("--evolve", type=_one_of(Evolve), help="What becomes of fields that the table has no column for.")
    @click.option("--rescue", metavar="COLUMN", help="Column that keeps, as JSON, the fields that no other one takes.")
    @click.option("--rescue-values", is_flag=True, help="It also keeps values of the wrong type; their cell is null.")
    @click.option(
        "--partition-by",
        multiple=True,
        metavar="COLUMN",
        help="Column, or day(COLUMN), of which each value gets a folder of Parquet files. May be given several times, "
        "or as A,B.",
    )
    @click.option("--file-size", metavar="SIZE", help="Size of Parquet files, such as 128MiB.  [default: 256MiB]")
    @click.option(
        "--replaces",
        type=click.Choice([TABLE, PARTITIONS]),
        help="What --mode replace replaces in an Iceberg table.  [default: table]",
    )
    @click.option("--row-group-size", metavar="SIZE", help="Bytes of the rows of a row group.  [default: by memory]")
    @click.option("--compression", type=_one_of(COMPRESSIONS), help="Compression of Parquet files.  [default: zstd]")
    @click.option(
        "--max-rejects", metavar="N|N%", help="Number or share of records that may be rejected.  [default: 0]"
    )
    @wraps(command)
    def with_table(**kwargs: Any) -> R:
        chosen = {field.name: kwargs.pop(field.name) for field in fields(TableOptions)}
        return command(table=TableOptions(**chosen), **kwargs)

    return with_table
