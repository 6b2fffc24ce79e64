"""The declaration of a format: its suffixes, how it is parsed, and whether it can be split at records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from penstock.formats.boundaries import Rules, Text
from penstock.formats.diagnosis import encoding_advice
from penstock.formats.limits import ReadLimits
from penstock.formats.window import Window
from penstock.model.load import Resume
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.record import Batch, CsvValidator, CsvValidatorFactory, Reject
from penstock.model.source import RangeReader
from penstock.model.span import Entry, Within


def no_validator(names: tuple[str, ...], delimiter: str, quote: str) -> CsvValidator | None:  # noqa: ARG001  # as CsvValidatorFactory says
    """No validator: every record is parsed."""
    return None


def tell_nobody(note: str) -> None:
    """Ignore what the parser found."""


@dataclass(frozen=True, slots=True)
class ParseSettings:
    """The settings of a parse: see `penstock.formats.parse`. A format uses those that concern it. ``tell`` is called
    with what the start of a source shows and the route does not say. ``ranges`` reads the decoded source, if it can be
    read by ranges. ``columns``: the only fields of records that are needed; None: all."""

    batch_bytes: int
    resume: Resume = field(default_factory=Resume)
    within: Within | None = None
    limits: ReadLimits = field(default_factory=ReadLimits)
    ranges: RangeReader | None = None
    columns: frozenset[str] | None = None
    validator_factory: CsvValidatorFactory = no_validator
    tell: Callable[[str], None] = tell_nobody


@dataclass(frozen=True, slots=True)
class Places:
    """Where a source can be entered, as the source itself says. ``entries`` count its records; ``decoded`` of an entry
    is that of its ``record``, and what batches call an offset. ``total`` is the offset of the end. ``within`` is what a
    span needs to know."""

    entries: tuple[Entry, ...]
    total: int
    within: Within


FindPlaces: TypeAlias = Callable[[RangeReader, ParseOptions, ParseSettings], Places | None]
Parse: TypeAlias = Callable[[Iterable[bytes], ParseOptions, ParseSettings], Iterator[Batch]]
Lines: TypeAlias = Callable[[], tuple[int, int]]
"""The line numbers of the header and of the first reject. Reads the source."""


def never_cut(options: ParseOptions, head: bytes) -> Text | None:  # noqa: ARG001  # as RecordFormat says
    """Records cannot be separated at bytes."""
    return None


def is_settled(options: ParseOptions) -> bool:  # noqa: ARG001  # as RecordFormat says
    """The options do not depend on the source."""
    return True


def keep(chunks: Iterable[bytes], options: ParseOptions) -> ParseOptions:  # noqa: ARG001  # as RecordFormat says
    """Return the options unchanged."""
    return options


def accept_sample(options: ParseOptions, sample: Batch) -> None:
    """Accept every sample."""


def advise_on_encoding(
    options: ParseOptions,
    names: Sequence[str],  # noqa: ARG001  # as RecordFormat says
    rejects: Sequence[Reject],
    lines: Lines,  # noqa: ARG001  # as RecordFormat says
) -> list[str]:
    """Advise on the encoding only."""
    return encoding_advice(options, rejects)


@dataclass(frozen=True, slots=True)
class RecordFormat:
    """One format.

    ``name``: its name in routes. ``suffixes``: the suffixes of its names, in lower case and without a dot, each with
    the options that it implies if the route leaves them at their defaults.

    ``parse(chunks, options, settings)`` yields batches. It raises BadSourceError with the offset after which no record
    can be found, and InvalidRouteError if the options contradict each other.

    **Splitting.** ``text(options, head)`` returns how records are separated at bytes; None if they cannot be.
    ``rules`` are the rules of such a text. ``open(window, options)`` reads the header and returns what a span needs of
    it. ``find_places(ranges, options, settings)`` finds the places to split a source in its metadata instead; None if
    there are none. Without either, a source is always parsed from its start.

    **Options from the source.** ``is_settled(options)`` is False if ``settle(chunks, options)`` must read the source to
    complete the options.

    ``ignores``: the options that mean nothing to it, and that `penstock run` therefore refuses. ``own``: the options
    of this format, which every other one ignores.

    **Content.** ``text_based`` is False for a binary format. ``accepts``: kinds of content (see
    `penstock.codecs.unsupported`) that the parser itself checks. ``random_access``: the parser needs the complete
    source before the first record; ``reads_ranges``: or ranges of it. ``finds_header``: it knows ``header = "auto"``.
    ``text_ratio``: bytes of text whose records are as much work as those in a byte of it, for estimates.

    **Diagnosis.** ``check_sample`` raises an error if the first records show that an option is wrong. ``advise``
    returns what to do if none of the first records is good.
    """

    name: Format
    suffixes: Mapping[str, Mapping[str, Any]]
    parse: Parse
    text: Callable[[ParseOptions, bytes], Text | None] = never_cut
    rules: Callable[[Text], Rules] | None = None
    open: Callable[[Window, ParseOptions], Within] | None = None
    find_places: FindPlaces | None = None
    is_settled: Callable[[ParseOptions], bool] = is_settled
    settle: Callable[[Iterable[bytes], ParseOptions], ParseOptions] = keep
    ignores: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    text_based: bool = True
    accepts: tuple[str, ...] = ()
    random_access: bool = False
    reads_ranges: bool = False
    finds_header: bool = False
    text_ratio: float = 1.0
    check_sample: Callable[[ParseOptions, Batch], None] = accept_sample
    advise: Callable[[ParseOptions, Sequence[str], Sequence[Reject], Lines], list[str]] = advise_on_encoding
