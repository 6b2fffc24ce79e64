"""The shared strings of a workbook (ECMA-376 part 1, 18.4)."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from xml.parsers import expat

from penstock.errors import BadDocumentError, WorkbookTooLargeError
from penstock.formats.xlsx.cells import plain_text
from penstock.formats.xlsx.workbook import Workbook
from penstock.formats.xlsx.xml import MAIN, Attributes, Skipper, namespace_of, new_parser
from penstock.limits import MIB

# Bytes of XML of one string. Excel's have 32,767 characters at most.
STRING_BYTES = 2 * MIB

# Strings that are kept decoded, and characters of each: 4 MB at most.
_CACHED = 16 * 1024
_SHORT = 50


class Strings(dict[str, str]):
    """Texts by the text of their number, held as one run of UTF-8: a str for each would take three times as much.

    The dict itself holds short ones that have been asked for. Raises WorkbookTooLargeError where the texts and 8 bytes
    for each take more than ``limit`` bytes.
    """

    def __init__(self, workbook: Workbook, limit: int) -> None:
        self._text = bytearray()
        self._ends = array("Q", [0])
        part = workbook.strings_part
        if not part:
            return
        parser = new_parser(part)
        handlers = _Handlers(part, parser, self._add)
        for _ in workbook.feed(part, parser):
            pending = 0 if handlers.begun is None else parser.CurrentByteIndex - handlers.begun
            if max(len(self._text) + 8 * len(self._ends), pending) > limit:
                raise WorkbookTooLargeError(f"the workbook's strings take more than {limit:,} bytes of memory")
            if pending > STRING_BYTES:
                raise BadDocumentError(f"{part} holds a string of more than {STRING_BYTES:,} bytes", offset=0)

    def __missing__(self, number: str) -> str:
        """Raises IndexError or ValueError where there is no such string."""
        index = int(number)
        if index < 0:
            raise IndexError(index)
        text = self._text[self._ends[index] : self._ends[index + 1]].decode("utf-8")
        if len(text) <= _SHORT:
            if len(self) == _CACHED:
                self.clear()
            self[number] = text
        return text

    def _add(self, text: str) -> None:
        self._text += text.encode("utf-8")
        self._ends.append(len(self._text))


class _Handlers:
    """Puts the runs of each string together. ``begun`` is the position of a string that has not ended yet.

    Passed over, with what it holds, is all that is neither text nor run, such as how the string is pronounced.
    """

    def __init__(self, part: str, parser: expat.XMLParserType, add: Callable[[str], None]) -> None:
        self.begun: int | None = None
        self._part = part
        self._parser = parser
        self._add = add
        self._text: list[str] = []
        self._skip = Skipper(part, parser).skip
        parser.StartElementHandler = self._root

    def _root(self, name: str, _: Attributes) -> None:
        namespace = namespace_of(self._part, name, "sst", MAIN)
        self._sst, self._si, self._r, self._t = (f"{namespace} {local}" for local in ("sst", "si", "r", "t"))
        self._within = self._outer = self._sst
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end

    def _start(self, name: str, _: Attributes) -> None:
        within = self._within
        if name == self._t and within in (self._si, self._r):
            self._outer = within
            self._parser.CharacterDataHandler = self._text.append
        elif name == self._si and within == self._sst:
            self.begun = self._parser.CurrentByteIndex
        elif not (name == self._r and within == self._si):
            return self._skip()
        self._within = name
        return None

    def _end(self, name: str) -> None:
        if name == self._t:
            self._within = self._outer
            self._parser.CharacterDataHandler = None
        elif name == self._si:
            self._add(plain_text("".join(self._text)))
            self._text.clear()
            self._within, self.begun = self._sst, None
        else:
            self._within = self._si
