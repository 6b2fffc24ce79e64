"""The declaration of the format CSV."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from penstock.errors import CorruptIndexError
from penstock.formats.boundaries import Rules, Text
from penstock.formats.csv.diagnosis import advise, refuse_other_delimiter
from penstock.formats.csv.parser import open_csv, parse_csv
from penstock.formats.csv.rules import csv_rules
from penstock.formats.csv.start import find_start
from penstock.formats.encoding import is_one_byte
from penstock.formats.format import ParseSettings, RecordFormat
from penstock.formats.window import Window
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.record import Batch
from penstock.model.span import Within


def _parse(chunks: Iterable[bytes], options: ParseOptions, settings: ParseSettings) -> Iterator[Batch]:
    return parse_csv(
        chunks,
        options,
        batch_bytes=settings.batch_bytes,
        resume=settings.resume,
        validator_factory=settings.validator_factory,
        within=settings.within,
        tell=settings.tell,
    )


def _text(options: ParseOptions, head: bytes) -> Text | None:
    """Return None for encodings that are not supersets of ASCII, and if a special character takes several bytes.

    Raises InvalidRouteError and HeaderRowError if the parser does.
    """
    window = Window([head], options.encoding)
    if window.encoding.foreign:
        return None
    dialect = find_start(window, options).dialect
    signs = dialect.delimiter + dialect.quote + dialect.escape + "\r\n"
    if not all(is_one_byte(sign, dialect.codec) for sign in signs):
        return None
    return Text(
        delimiter=dialect.delimiter_bytes.decode("latin-1"),
        quote=dialect.quote_bytes.decode("latin-1"),
        header=options.header,
        lead=window.offset,
        escape=dialect.escape,
        comment=dialect.comment,
    )


def _rules(text: Text) -> Rules:
    try:
        signs = (text.delimiter, text.quote, text.escape, text.comment)
        return csv_rules(*(sign.encode("latin-1") for sign in signs))
    except UnicodeEncodeError as error:
        raise CorruptIndexError(f"an index file is damaged: {text}") from error


def _open(window: Window, options: ParseOptions) -> Within:
    start, names = open_csv(window, options)
    return Within(window.offset, 1, window.encoding.name, start.dialect.delimiter, names, start.notes)


FORMAT = RecordFormat(
    Format.CSV,
    {"csv": {}, "tsv": {"delimiter": "\t"}},
    _parse,
    text=_text,
    rules=_rules,
    open=_open,
    ignores=("records", "sheet"),
    own=("skip_lines", "comment", "skip_footer", "footer", "extra"),
    finds_header=True,
    check_sample=refuse_other_delimiter,
    advise=advise,
)
