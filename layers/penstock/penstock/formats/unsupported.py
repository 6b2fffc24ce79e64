"""Sources that are none of the formats that parsers read: refused by the name of what they are."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from penstock.codecs import CODECS
from penstock.codecs import unsupported as foreign
from penstock.errors import BadDocumentError
from penstock.formats.encoding import encoding_of, unmarked
from penstock.model.parse_options import Format, ParseOptions

# Where a zip's first entries are looked for.
_HEAD = 64 * 1024
_COMPRESSED_AGAIN = "Compress it once only."
# It starts like nothing in particular: only the name tells.
_BROTLI = "br"


def refuse_name(name: str, options: ParseOptions, suffixes: Iterable[str]) -> None:
    """Raises BadDocumentError where a name (compression suffix aside) says a format that is not read.

    A format that the route sets overrules it, but for brotli around a name that is known: ``x.csv.br``.
    """
    what = foreign.promised(name)
    stem, _, suffix = name.rpartition(".")
    inner = stem.rpartition(".")[2].lower()
    certain = suffix.lower() == _BROTLI and inner in suffixes
    if what and (options.format is Format.AUTO or certain):
        raise BadDocumentError(
            f"by its name {name!r} this is {what}, which is not read", offset=0, hint=foreign.advice(what)
        )


def refuse_content(chunks: Iterable[bytes], options: ParseOptions) -> Iterable[bytes]:
    """The same chunks. Raises BadDocumentError where they start like something else than ``options.format``."""
    rest = iter(chunks)
    first: list[bytes] = []
    while sum(map(len, first)) < foreign.HEAD and (chunk := next(rest, None)) is not None:
        first.append(chunk)
    head = b"".join(first)[:_HEAD]
    what, hint = _described(head, options)
    if what:
        raise BadDocumentError(f"this is {what}, not {options.format}", offset=0, hint=hint)
    return chain(first, rest)


def _described(head: bytes, options: ParseOptions) -> tuple[str, str]:
    """What the content is, and what to do about it; empty where it may be what it should."""
    what = foreign.name_of(head)
    if options.format is Format.XLSX:
        # The parser of workbooks knows more of these.
        return ("", "") if what in ("", foreign.ZIP, foreign.XLSX, foreign.OLE) else (what, foreign.advice(what))
    if encoding_of(head, options.encoding).name.startswith(("utf-16", "utf-32")):
        return "", ""  # any two bytes may begin a text
    if wide := unmarked(head):
        return f"{wide} without a byte order mark", f'Set parse.encoding = "{wide}".'
    if what == foreign.XLSX:
        return what, 'Set parse.format = "xlsx".'
    again = next((codec.name for codec in CODECS.values() if codec.magic and head.startswith(codec.magic)), "")
    if again:
        return f"{again} once its codec is undone", _COMPRESSED_AGAIN
    return what, foreign.advice(what)
