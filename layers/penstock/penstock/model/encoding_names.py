"""The names of encodings that a route may have."""

from __future__ import annotations

import codecs

from penstock.errors import InvalidRouteError

# In these encodings a record depends on the bytes before it, and lengths are not exact.
_STATEFUL = ("hz", "idna", "iso2022", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7")


def encoding_named(declared: str) -> str:
    """Return Python's own name of an encoding. Raises InvalidRouteError if it is unknown, or depends on state."""
    try:
        name = codecs.lookup(declared).name
        "".encode(declared)  # a codec of bytes, such as base64, is no encoding of a text
    except (LookupError, UnicodeError, ValueError) as error:
        raise InvalidRouteError(
            f"unknown encoding {declared!r}", hint="Choose a text encoding that Python knows, e.g. utf-8 or cp1252."
        ) from error
    if name.startswith(_STATEFUL):
        raise InvalidRouteError(
            f"in {declared!r} a character depends on those before it",
            hint="Convert the file to UTF-8, or declare another encoding.",
        )
    return name
