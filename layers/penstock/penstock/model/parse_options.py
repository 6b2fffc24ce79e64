"""How a source is parsed into records."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Format(StrEnum):
    """How bytes are parsed into records. AUTO decides by the name without its compression suffix."""

    AUTO = "auto"
    CSV = "csv"
    JSONL = "jsonl"
    JSON = "json"
    XLSX = "xlsx"


@dataclass(frozen=True, slots=True)
class ParseOptions:
    """The ``[route.parse]`` table.

    ``columns`` names the columns of a CSV without header (or with ``header = true`` replaces its names). The character
    after ``escape`` is literal; empty: no escape character.
    ``records`` is the path to the list of records in a JSON document, keys joined by dots; empty: the document.
    ``records_at``: for each key of that path, how many keys of the same name precede the right one.
    ``sheet`` is the name of a sheet; empty: the first.
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
