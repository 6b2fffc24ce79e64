"""How a source is parsed into records."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Format(StrEnum):
    """How bytes are parsed into records; AUTO goes by the name without its compression suffix."""

    AUTO = "auto"
    CSV = "csv"
    JSONL = "jsonl"
    JSON = "json"
    XLSX = "xlsx"


@dataclass(frozen=True, slots=True)
class ParseOptions:
    """The ``[route.parse]`` table.

    ``columns`` names the columns of a CSV without header (or with ``header = true`` replaces its names). What follows
    its ``escape`` is text, whatever it is; empty: there is none.
    ``records`` is the path to the list of records in a JSON document, keys joined by dots; empty: the document.
    ``records_at``: of each key of that path, how many of the same name come before the one that counts.
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
