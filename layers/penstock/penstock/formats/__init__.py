"""Bytes in, records out: which format a source has, and what each finds in it.

A parser is a generator over ``Iterable[bytes]``. Its batches depend on the source and on ``batch_bytes``, not on how
the source was chunked, and parsing can go on after any of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from penstock.codecs import strip_suffix
from penstock.errors import InvalidRouteError
from penstock.formats.csv.parser import no_validator, open_csv, parse_csv
from penstock.formats.diagnosis import advice, lines_at, reasons, refuse_other_delimiter
from penstock.formats.json.document import parse_json_document, settle_document
from penstock.formats.json.lines import parse_json_lines
from penstock.formats.unsupported import refuse_content, refuse_name
from penstock.formats.window import Window
from penstock.formats.xlsx.package import WorkbookLimits
from penstock.formats.xlsx.parser import parse_xlsx_stream
from penstock.model.load import Resume
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.record import Batch, CsvValidatorFactory
from penstock.model.span import Within

__all__ = [
    "Within",
    "WorkbookLimits",
    "advice",
    "choose_format",
    "lines_at",
    "outset",
    "parse",
    "reasons",
    "refuse_other_delimiter",
    "resolve",
    "settle",
]

_SUFFIXES = {
    "csv": Format.CSV,
    "tsv": Format.CSV,
    "jsonl": Format.JSONL,
    "ndjson": Format.JSONL,
    "json": Format.JSON,
    "xlsx": Format.XLSX,
}

_START = Resume()
_LIMITS = WorkbookLimits()


def choose_format(name: str, options: ParseOptions) -> Format:
    """The format that the route sets, else the one that the name promises, compression suffix aside.

    Raises InvalidRouteError when neither says, BadDocumentError where the name says a format that is not read.
    """
    refuse_name(strip_suffix(name), options, _SUFFIXES)
    if options.format is not Format.AUTO:
        return options.format
    suffix = _suffix(name)
    if suffix not in _SUFFIXES:
        raise InvalidRouteError(
            f"the name {name!r} does not say what its records are",
            hint=f"Set parse.format in the route, or use one of the suffixes {', '.join(_SUFFIXES)}.",
        )
    return _SUFFIXES[suffix]


def resolve(name: str, options: ParseOptions) -> ParseOptions:
    """Options whose format is chosen, and whose delimiter is a tab where only the name ``.tsv`` says so."""
    chosen = choose_format(name, options)
    tabs = options.format is Format.AUTO and _suffix(name) == "tsv" and options.delimiter == ","
    return replace(options, format=chosen, delimiter="\t" if tabs else options.delimiter)


def settle(chunks: Iterable[bytes], options: ParseOptions) -> ParseOptions:
    """The options with what only the whole of a source tells; most sources are not looked at.

    Raises BadSourceError. Memory: as `parse`, for one batch.
    """
    return settle_document(chunks, options) if options.format is Format.JSON else options


def parse(
    chunks: Iterable[bytes],
    options: ParseOptions,
    *,
    batch_bytes: int,
    resume: Resume = _START,
    workbook: WorkbookLimits = _LIMITS,
    validator_factory: CsvValidatorFactory = no_validator,
    within: Within | None = None,
) -> Iterator[Batch]:
    """The records of a decoded source, of which ``chunks`` are all bytes from the first.

    A batch holds at most ``batch_bytes`` of the source, or one record of at most ``options.max_record``. Records
    before ``resume`` are left out. With ``within`` (see ``outset``) the chunks are all bytes of a part that begins
    there and ends with a record: offsets and rows are still those of the whole source. A source without records has
    no batches; or, where columns have names, one of none.

    Memory: see parse_csv, parse_json_lines, parse_json_document and parse_xlsx. Raises BadSourceError when no
    record can be found from an offset on, InvalidRouteError when the options do not hold together (the format must
    be chosen: see ``resolve``), WorkbookTooLargeError and ExpansionLimitError for workbooks.
    """
    if not within:
        chunks = refuse_content(chunks, options)
    match options.format:
        case Format.CSV:
            return parse_csv(
                chunks,
                options,
                batch_bytes=batch_bytes,
                resume=resume,
                validator_factory=validator_factory,
                within=within,
            )
        case Format.JSONL:
            return parse_json_lines(chunks, options, batch_bytes=batch_bytes, resume=resume, within=within)
        case Format.JSON | Format.XLSX if within:
            raise InvalidRouteError(f"{options.format} cannot be entered in the middle")
        case Format.JSON:
            return parse_json_document(chunks, options, batch_bytes=batch_bytes, resume=resume)
        case Format.XLSX:
            return parse_xlsx_stream(chunks, options, batch_bytes=batch_bytes, resume=resume, limits=workbook)
        case _:
            raise InvalidRouteError("the format of the records is not chosen", hint="Set parse.format in the route.")


def outset(chunks: Iterable[bytes], options: ParseOptions) -> Within:
    """What the start of a CSV or JSON Lines source says of all its parts; itself it stands for all of the records.

    Takes no more chunks than the header needs. To parse from one record on, replace ``offset`` and ``row`` by its
    own. Raises what ``parse`` does of a header.
    """
    feed = Window(refuse_content(chunks, options), options.encoding)
    if options.format is not Format.CSV:
        return Within(feed.offset, 1, feed.encoding.name)
    dialect, names = open_csv(feed, options)
    return Within(feed.offset, 1, feed.encoding.name, dialect.delimiter, names)


def _suffix(name: str) -> str:
    _, dot, suffix = strip_suffix(name).rpartition("/")[2].rpartition(".")
    return suffix.lower() if dot else ""
