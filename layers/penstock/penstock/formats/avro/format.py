"""The declaration of the format Avro."""

from __future__ import annotations

from penstock.codecs import Trace, unsupported
from penstock.codecs.feed import Feed
from penstock.errors import BadSourceError
from penstock.formats.avro.boundaries import AvroRules
from penstock.formats.avro.container import HEADER, read_header
from penstock.formats.avro.parser import AvroSource, parse_avro, stored_header
from penstock.formats.boundaries import Rules, Text
from penstock.formats.format import RecordFormat
from penstock.formats.window import Window
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.span import Within


def _text(options: ParseOptions, head: bytes) -> Text | None:  # noqa: ARG001  # no option changes it
    """Return None if the header is longer than the head: such a file is not cut."""
    try:
        header = read_header(Feed([head], Trace()))
    except BadSourceError:
        return None  # the parser names what is wrong
    return Text(delimiter=header.sync.decode("latin-1"), lead=header.size, format=Format.AVRO)


def _rules(text: Text) -> Rules:
    return AvroRules(text.delimiter.encode("latin-1"))


def _open(window: Window, options: ParseOptions) -> Within:  # noqa: ARG001  # no option changes it
    head, _ = window.window(HEADER)
    header = read_header(Feed([head], Trace()))
    AvroSource.of(header)  # raises what is wrong with the schema
    header.decompress()
    return Within(header.size, 1, window.encoding.name, header=stored_header(header))


FORMAT = RecordFormat(
    Format.AVRO,
    {"avro": {}},
    parse_avro,
    text=_text,
    rules=_rules,
    open=_open,
    ignores=("delimiter", "quote", "escape", "header", "columns", "encoding", "records", "sheet"),
    text_based=False,
    accepts=(unsupported.AVRO,),
    text_ratio=10,  # with the blocks compressed by deflate, as most are (`python -m benchmarks.avro`)
)
