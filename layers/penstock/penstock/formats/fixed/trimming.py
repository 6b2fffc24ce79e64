"""Remove the blanks around fixed-width fields."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from penstock.formats.encoding import Encoding
from penstock.model.parse_options import Trim

Strip = Callable[..., str]

_STRIPS: Mapping[Trim, Strip | None] = {
    Trim.RIGHT: str.rstrip,
    Trim.LEFT: str.lstrip,
    Trim.BOTH: str.strip,
    Trim.NONE: None,
}
# White space that `str.strip` would remove too. In UTF-8: also the first bytes of such characters.
_UTF8_SPACE = b"\n\t\v\f\r\x1c\x1d\x1e\x1f\xc2\xe1\xe2\xe3"


class Trimmer:
    """Removes blanks, and no other white space."""

    def __init__(self, trim: Trim, encoding: Encoding) -> None:
        self._strip = _STRIPS[trim]
        self.left = trim in (Trim.LEFT, Trim.BOTH)
        self.right = trim in (Trim.RIGHT, Trim.BOTH)
        self._space = _UTF8_SPACE if encoding.codec == "utf-8" else _space_of(encoding.codec)

    def one(self, text: str) -> str:
        return self._strip(text, " ") if self._strip else text

    def all(self, texts: Iterable[str], *, plain: bool) -> list[str]:
        """Trim many texts. ``plain``: they have no other white space (see `is_plain`). Then it takes half the time."""
        strip = self._strip
        if strip is None:
            return list(texts)
        return list(map(strip, texts)) if plain else [strip(text, " ") for text in texts]

    def is_plain(self, data: bytes, line_ends: int) -> bool:
        """Return whether data has no white space but blanks and so many bytes of line ends. False if this is costly to
        tell."""
        # To delete bytes is the fastest search for several of them.
        return len(data.translate(None, self._space)) + line_ends == len(data)


def _space_of(codec: str) -> bytes:
    """Return the bytes that are white space in an encoding of one byte a character, except for blanks."""
    letters = ((byte, bytes([byte]).decode(codec, "replace")) for byte in range(256))
    return bytes(byte for byte, letter in letters if letter.isspace() and letter != " ")
