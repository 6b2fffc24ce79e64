"""Choose the format of a source, and parse its records.

A parser is a generator over ``Iterable[bytes]``. Its batches depend on the source and on ``batch_bytes``, not on the
chunks, and parsing can resume after any batch. docs/extend/format.md says how to add a format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields, replace
from typing import Any

from penstock.codecs import strip_suffix
from penstock.codecs.unsupported import HEAD
from penstock.errors import BadDocumentError, InvalidRouteError
from penstock.formats.diagnosis import lines_at, reasons
from penstock.formats.format import ParseSettings, Places, RecordFormat, no_validator, tell_nobody
from penstock.formats.limits import ReadLimits
from penstock.formats.registry import all_suffixes, format_by_suffix, format_named, options_of_others, registered
from penstock.formats.unsupported import refuse_content, refuse_name
from penstock.formats.window import Window
from penstock.model.load import Resume
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.record import Batch, CsvValidatorFactory, Reject
from penstock.model.source import RangeReader
from penstock.model.span import Within

__all__ = [
    "ParseSettings",
    "Places",
    "ReadLimits",
    "RecordFormat",
    "Within",
    "advice",
    "check_sample",
    "choose_format",
    "find_places",
    "finds_places",
    "ignored_options",
    "is_settled",
    "lines_at",
    "needs_whole_source",
    "open_source",
    "parse",
    "reads_ranges",
    "reasons",
    "registered",
    "resolve",
    "settle",
    "tell_nobody",
    "text_ratio",
]

_START = Resume()
_LIMITS = ReadLimits()
_PLAIN = ParseOptions()
_DEFAULTS = {field.name: field.default for field in fields(ParseOptions)}


def choose_format(name: str, options: ParseOptions) -> Format:
    """Return the format that the route sets, otherwise that of the name without its compression suffix.

    Raises InvalidRouteError if both are missing, and BadDocumentError if Penstock does not read the name's format.
    """
    refuse_name(strip_suffix(name), options)
    if options.format is not Format.AUTO:
        return options.format
    found = format_by_suffix(_suffix(name))
    if found is None:
        raise InvalidRouteError(
            f"the name {name!r} does not show the format of its records",
            hint=f"Set parse.format in the route, or use one of the suffixes {', '.join(all_suffixes())}.",
        )
    return found.name


def resolve(name: str, options: ParseOptions) -> ParseOptions:
    """Return options with the format chosen, and with the options that a suffix implies if the name decides the format.

    ``.tsv`` implies a tab as the delimiter.
    """
    chosen = choose_format(name, options)
    implied = format_named(chosen).suffixes.get(_suffix(name), {}) if options.format is Format.AUTO else {}
    unset: dict[str, Any] = {
        option: value for option, value in implied.items() if getattr(options, option) == _DEFAULTS[option]
    }
    return replace(options, format=chosen, **unset)


def is_settled(options: ParseOptions) -> bool:
    """Return whether the options are complete. If not, `settle` completes them."""
    return format_named(options.format).is_settled(options)


def settle(chunks: Iterable[bytes], options: ParseOptions) -> ParseOptions:
    """Return options with the values that only the complete source shows.

    Raises BadSourceError. Memory: as `parse`, for one batch.
    """
    return format_named(options.format).settle(chunks, options)


def ignored_options(options: ParseOptions) -> list[str]:
    """Return the options that are set, but mean nothing to the format. The format must be chosen: see `resolve`."""
    ignored = [*format_named(options.format).ignores, *options_of_others(options.format)]
    return [name for name in ignored if getattr(options, name) != _DEFAULTS[name]]


def needs_whole_source(options: ParseOptions) -> bool:
    """Return whether the parser needs the complete source before the first record."""
    return format_named(options.format).random_access


def reads_ranges(options: ParseOptions) -> bool:
    """Return whether the parser reads ranges of a source that is not compressed, instead of all of it."""
    return format_named(options.format).reads_ranges


def parse(
    chunks: Iterable[bytes],
    options: ParseOptions,
    *,
    batch_bytes: int,
    resume: Resume = _START,
    limits: ReadLimits = _LIMITS,
    validator_factory: CsvValidatorFactory = no_validator,
    within: Within | None = None,
    tell: Callable[[str], None] = tell_nobody,
    ranges: RangeReader | None = None,
    columns: frozenset[str] | None = None,
) -> Iterator[Batch]:
    """Yield the records of a decoded source. ``chunks`` are all of its bytes from the first.

    With ``ranges`` of the complete decoded source, a format that `reads_ranges` takes no chunk. ``columns`` are the
    fields that are needed: a format may leave out all others; None: all are.

    A batch holds at most ``batch_bytes`` of the source, or one record of at most ``options.max_record``. Records
    before ``resume`` are omitted. With ``within`` (see `open_source`), the chunks are all bytes of a part that begins
    there and ends with a record: offsets and rows are still those of the complete source. A source without records has
    no batches. If its columns have names, it has one batch without rows. ``tell`` is called with what the start shows
    and the route does not say, such as another delimiter; a part tells nothing.

    Memory: see the parser of each format. Raises BadSourceError if no record can be found after an offset,
    InvalidRouteError if the options contradict each other (the format must be chosen: see `resolve`),
    WorkbookTooLargeError and ExpansionLimitError for workbooks, BlockTooLargeError for blocks and row groups.
    """
    declared = format_named(options.format)
    if within and declared.open is None and declared.find_places is None:
        raise InvalidRouteError(f"{options.format} cannot be entered in the middle")
    if options.find_header and not declared.finds_header:
        raise InvalidRouteError(f'{options.format} has no header to find (header = "auto")')
    ranges = ranges if declared.reads_ranges else None
    if ranges is not None:
        refuse_ranges(ranges, options)
    elif not within:
        chunks = refuse_content(chunks, options)
    settings = ParseSettings(
        batch_bytes,
        resume,
        within,
        validator_factory=validator_factory,
        tell=tell,
        limits=limits,
        ranges=ranges,
        columns=columns,
    )
    return declared.parse(chunks, options, settings)


def open_source(chunks: Iterable[bytes], options: ParseOptions) -> Within:
    """Return what a span needs from the start of a source: encoding, delimiter and column names.

    Takes no more chunks than the header needs. The result stands for all records; to parse from a later record, replace
    ``offset`` and ``row`` by those of the record. Raises the errors of `parse` for a header, and InvalidRouteError for
    a format that cannot be entered.
    """
    declared = format_named(options.format)
    if declared.open is None:
        raise InvalidRouteError(f"{options.format} cannot be entered in the middle")
    encoding = options.encoding if declared.text_based else _PLAIN.encoding
    return declared.open(Window(refuse_content(chunks, options), encoding), options)


def finds_places(options: ParseOptions) -> bool:
    """Return whether `find_places` finds where a source can be split."""
    return format_named(options.format).find_places is not None


def find_places(
    ranges: RangeReader, options: ParseOptions, *, limits: ReadLimits = _LIMITS, columns: frozenset[str] | None = None
) -> Places | None:
    """Return where a decoded source can be split, by its own metadata; None if its format has none.

    Raises BadSourceError for damaged metadata, and the errors of `parse` for what does not fit the limits.
    """
    declared = format_named(options.format)
    if declared.find_places is None:
        return None
    refuse_ranges(ranges, options)
    settings = ParseSettings(batch_bytes=0, limits=limits, columns=columns)
    return declared.find_places(ranges, options, settings)


def text_ratio(name: str, options: ParseOptions) -> float:
    """Return how many bytes of text are as much work as a byte of the source of this name, for estimates; 1 if neither
    name nor options show the format."""
    try:
        return format_named(choose_format(name, options)).text_ratio
    except (InvalidRouteError, BadDocumentError):
        return 1.0


def check_sample(options: ParseOptions, sample: Batch) -> None:
    """Raises HeaderRowError if the first records show that an option is wrong."""
    format_named(options.format).check_sample(options, sample)


def advice(
    options: ParseOptions, names: Sequence[str], rejects: Sequence[Reject], lines: Callable[[], tuple[int, int]]
) -> str:
    """Return what to do about a file whose first records are these rejects.

    ``lines`` reads the line numbers of the header and of the first reject, if a format needs them.
    """
    found = format_named(options.format).advise(options, names, rejects, lines)
    return " ".join(found) or "Correct the listed records, or the route's parse options, and load the file again."


def refuse_ranges(ranges: RangeReader, options: ParseOptions) -> None:
    """Raises BadDocumentError if a source starts like another format than ``options.format``."""
    refuse_content([b"".join(ranges.read(0, min(HEAD, ranges.size)))], options)


def _suffix(name: str) -> str:
    _, dot, suffix = strip_suffix(name).rpartition("/")[2].rpartition(".")
    return suffix.lower() if dot else ""
