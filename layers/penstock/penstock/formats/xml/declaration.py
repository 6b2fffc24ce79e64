"""The encoding that an XML document declares."""

from __future__ import annotations

import codecs
import re

from penstock.errors import BadDocumentError

# Bytes from the start of a source that hold its declaration.
HEAD = 1024
_DECLARED = re.compile(rb"""\s*<\?xml\s[^>]*?encoding\s*=\s*["']([A-Za-z0-9._:-]{1,40})["']""")
_WIDE = ("utf-16", "utf-32", "ucs", "iso-10646-ucs")


def declared_encoding(head: bytes) -> str:
    """Return the encoding in the declaration; empty if there is none.

    UTF-16 is passed over: a declaration that can be read here is in ASCII. Programs write it into files in UTF-8.
    Raises BadDocumentError for an encoding that Python does not know.
    """
    found = _DECLARED.match(head.removeprefix(codecs.BOM_UTF8))
    name = found[1].decode().lower() if found else ""
    if name.startswith(_WIDE):
        return ""
    try:
        return codecs.lookup(name).name if name else ""
    except LookupError as error:
        raise BadDocumentError(
            f"the XML declares the encoding {name!r}, which is not known",
            offset=0,
            hint="Set parse.encoding to the encoding of the file.",
        ) from error
