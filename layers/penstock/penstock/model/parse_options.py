"""How a source is parsed into records."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from penstock.model.serialization import OMIT_DEFAULT

# Lines before the header of a CSV, or its first record.
MOST_LINES = 1000


class Format(StrEnum):
    """How bytes are parsed into records. AUTO decides by the name without its compression suffix."""

    AUTO = "auto"
    CSV = "csv"
    JSONL = "jsonl"
    JSON = "json"
    XLSX = "xlsx"
    FIXED = "fixed"
    XML = "xml"
    AVRO = "avro"
    PARQUET = "parquet"


class Units(StrEnum):
    """What the positions of fixed-width fields count."""

    CHARACTERS = "characters"
    BYTES = "bytes"


class LineLength(StrEnum):
    """How long a line of fixed-width fields may be.

    PADDED: as its fields, shorter, or longer by blanks. EXACT: as its fields. ANY: what follows its fields is ignored.
    """

    PADDED = "padded"
    EXACT = "exact"
    ANY = "any"


class Trim(StrEnum):
    """The sides of a fixed-width field from which blanks are removed."""

    RIGHT = "right"
    LEFT = "left"
    BOTH = "both"
    NONE = "none"


class Extra(StrEnum):
    """What becomes of a record with more fields than the header. IGNORE: the surplus fields are left out."""

    REJECT = "reject"
    IGNORE = "ignore"


# A footer takes at most so many bytes.
FOOTER_BYTES = 64 * 1024
# A longer line, in characters, is not searched for the expression of a footer: that may take its length squared.
FOOTER_LINE = 4096


@dataclass(frozen=True, slots=True)
class SheetTable:
    """The sheets of one table: their name or pattern, and the names that ``header = "auto"`` looks for. ``read``: False
    while the sheets of another table are sampled."""

    name: str
    declared: tuple[str, ...] = field(default=(), compare=False)
    read: bool = field(default=True, metadata=OMIT_DEFAULT)


@dataclass(frozen=True, slots=True)
class ParseOptions:
    """The ``[route.parse]`` table.

    ``columns`` names the columns of a CSV without header (or with ``header = true`` replaces its names). The character
    after ``escape`` is literal; empty: no escape character. An empty ``quote``: quotes are text. Lines that begin with
    ``comment`` are no records. ``skip_footer`` lines at the end are none either, or those from the first one that
    ``footer`` matches; its group ``rows`` is the number of records.
    ``records`` is the path to the list of records in a JSON document, keys joined by dots; empty: the document.
    ``records_at``: for each key of that path, how many keys of the same name precede the right one.
    ``sheet`` is the name of a sheet, its number (``#2``) or a pattern of names; empty: the first.
    Rows up to ``skip_rows`` are no records, nor are cells outside ``range`` (A1).
    ``find_header``: the header is the first row that holds all names in ``declared`` (``header = "auto"``),
    which follow from the columns of the route, and are no part of its identity.
    ``sheets``: the sheets that a choice by ``$sheet`` names. Others are rejected (``refuse_others``) or not read.
    ``skip_lines`` are the lines of a CSV before its header or first record. ``delimiter_stated``: the route sets the
    delimiter, and another one is not looked for; it is no part of the identity either.
    ``fields`` are the fixed-width fields of a line, such as ``id 1-10`` (see `model.fixed_layout`). Only lines that
    begin with ``record_prefix`` are records.
    ``typed_cells``: cells of a workbook that are no texts are marked as such; it follows from the columns of the route.
    ``record`` is the path of elements from the root of an XML document to its records. ``namespaces`` are prefixes for
    names of elements, each as ``prefix=namespace``; ``repeated`` are elements that are lists also if there is one.
    """

    format: Format = Format.AUTO
    delimiter: str = ","
    quote: str = '"'
    header: bool = True
    columns: tuple[str, ...] = ()
    encoding: str = "utf-8"
    records: str = ""
    sheet: str = ""
    max_record: int = 1024 * 1024
    escape: str = ""
    records_at: tuple[int, ...] = ()
    fields: tuple[str, ...] = field(default=(), metadata=OMIT_DEFAULT)
    units: Units = field(default=Units.CHARACTERS, metadata=OMIT_DEFAULT)
    record_prefix: str = field(default="", metadata=OMIT_DEFAULT)
    line_length: LineLength = field(default=LineLength.PADDED, metadata=OMIT_DEFAULT)
    trim: Trim = field(default=Trim.RIGHT, metadata=OMIT_DEFAULT)
    record: str = field(default="", metadata=OMIT_DEFAULT)
    namespaces: tuple[str, ...] = field(default=(), metadata=OMIT_DEFAULT)
    repeated: tuple[str, ...] = field(default=(), metadata=OMIT_DEFAULT)
    skip_rows: int = field(default=0, metadata=OMIT_DEFAULT)
    range: str = field(default="", metadata=OMIT_DEFAULT)
    find_header: bool = field(default=False, metadata=OMIT_DEFAULT)
    declared: tuple[str, ...] = field(default=(), compare=False, metadata=OMIT_DEFAULT)
    sheets: tuple[SheetTable, ...] = field(default=(), metadata=OMIT_DEFAULT)
    refuse_others: bool = field(default=False, metadata=OMIT_DEFAULT)
    skip_lines: int = field(default=0, metadata=OMIT_DEFAULT)
    delimiter_stated: bool = field(default=False, compare=False, metadata=OMIT_DEFAULT)
    comment: str = field(default="", metadata=OMIT_DEFAULT)
    skip_footer: int = field(default=0, metadata=OMIT_DEFAULT)
    footer: str = field(default="", metadata=OMIT_DEFAULT)
    extra: Extra = field(default=Extra.REJECT, metadata=OMIT_DEFAULT)
    typed_cells: bool = field(default=False, compare=False, metadata=OMIT_DEFAULT)

    @property
    def footer_bytes(self) -> int:
        """The bytes at the end of a source that may be a footer."""
        return FOOTER_BYTES if self.skip_footer or self.footer else 0
