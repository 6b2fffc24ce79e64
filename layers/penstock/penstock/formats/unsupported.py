"""Refuse sources in a format that Penstock does not read, and name that format."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from penstock.codecs import CODECS, unsupported
from penstock.errors import BadDocumentError
from penstock.formats.encoding import encoding_of, unmarked
from penstock.formats.registry import format_by_suffix, format_named
from penstock.model.parse_options import Format, ParseOptions

# Bytes in which a zip's first entries are searched.
_HEAD = 64 * 1024
_COMPRESSED_AGAIN = "Compress it once only."
# Brotli has no magic, so only the name shows it.
_BROTLI = "br"
# Binary formats that are read under another name.
_READ = {unsupported.XLSX: Format.XLSX, unsupported.AVRO: Format.AVRO, unsupported.PARQUET: Format.PARQUET}


def refuse_name(name: str, options: ParseOptions) -> None:
    """Raises BadDocumentError if a name, without its compression suffix, has a format that Penstock does not read.

    A format that the route sets overrides the name, except for brotli around a known suffix: ``x.csv.br``.
    """
    what = unsupported.promised(name)
    stem, _, suffix = name.rpartition(".")
    inner = stem.rpartition(".")[2].lower()
    certain = suffix.lower() == _BROTLI and format_by_suffix(inner) is not None
    if what and (options.format is Format.AUTO or certain):
        raise BadDocumentError(
            f"by its name {name!r} this is {what}, which is not read", offset=0, hint=unsupported.advice(what)
        )


def refuse_content(chunks: Iterable[bytes], options: ParseOptions) -> Iterable[bytes]:
    """Return the same chunks. Raises BadDocumentError if they start like another format than ``options.format``."""
    rest = iter(chunks)
    first: list[bytes] = []
    while sum(map(len, first)) < unsupported.HEAD and (chunk := next(rest, None)) is not None:
        first.append(chunk)
    head = b"".join(first)[:_HEAD]
    what, hint = _described(head, options)
    if what:
        raise BadDocumentError(f"this is {what}, not {options.format}", offset=0, hint=hint)
    return chain(first, rest)


def _described(head: bytes, options: ParseOptions) -> tuple[str, str]:
    """Return the name of the content's format, and what to do about it; empty if it may be the expected format."""
    what = unsupported.name_of(head)
    declared = format_named(options.format)
    if what in declared.accepts:
        return "", ""
    return _described_text(what, head, options) if declared.text_based else (what, unsupported.advice(what))


def _described_text(what: str, head: bytes, options: ParseOptions) -> tuple[str, str]:
    """Like `_described`, if a text is expected; ``what`` is the format that the first bytes show."""
    if encoding_of(head, options.encoding).name.startswith(("utf-16", "utf-32")):
        return "", ""  # a text may begin with any two bytes
    if wide := unmarked(head):
        return f"{wide} without a byte order mark", f'Set parse.encoding = "{wide}".'
    if what in _READ:
        return what, f'Set parse.format = "{_READ[what]}".'
    again = next((codec.name for codec in CODECS.values() if codec.magic and head.startswith(codec.magic)), "")
    if again:
        return f"{again} once its codec is undone", _COMPRESSED_AGAIN
    return what, unsupported.advice(what)
