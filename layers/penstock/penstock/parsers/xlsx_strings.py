"""The shared strings of a workbook (ECMA-376 part 1, 18.4)."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from functools import lru_cache
from xml.parsers import expat

from penstock.errors import WorkbookTooLargeError
from penstock.parsers.xlsx_cells import plain_text
from penstock.parsers.xlsx_workbook import Attributes, Workbook

_CACHED = 16 * 1024


class Strings:
    """Texts by number, held as one run of UTF-8: a list of str would take three times as much.

    Raises WorkbookTooLargeError where they and 8 bytes for each take more than ``limit`` bytes.
    """

    def __init__(self, workbook: Workbook, limit: int) -> None:
        self._text = bytearray()
        self._ends = array("Q", [0])
        self.get: Callable[[int], str] = lru_cache(_CACHED)(self._get)
        if not workbook.strings_part:
            return
        parser = expat.ParserCreate()
        handlers = _Handlers(parser, self._add)
        for _ in workbook.feed(workbook.strings_part, parser):
            if max(len(self._text) + 8 * len(self._ends), handlers.pending) > limit:
                raise WorkbookTooLargeError(f"the workbook's strings take more than {limit:,} bytes of memory")

    def _add(self, text: str) -> None:
        self._text += text.encode("utf-8")
        self._ends.append(len(self._text))

    def _get(self, number: int) -> str:
        """Raises IndexError where there is no such string."""
        if number < 0:
            raise IndexError(number)
        return self._text[self._ends[number] : self._ends[number + 1]].decode("utf-8")


class _Handlers:
    """Puts the runs of each string together, leaving out how they are pronounced."""

    def __init__(self, parser: expat.XMLParserType, add: Callable[[str], None]) -> None:
        self._add = add
        self._runs: list[str] = []
        self._text: list[str] = []
        self._phonetic = False
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text.append

    @property
    def pending(self) -> int:
        """Characters of the string that has not ended yet."""
        return sum(map(len, self._runs)) + sum(map(len, self._text))

    def _start(self, name: str, _: Attributes) -> None:
        self._text.clear()
        if name.endswith("rPh"):
            self._phonetic = True

    def _end(self, name: str) -> None:
        local = name.rpartition(":")[2]
        if local == "t" and not self._phonetic:
            self._runs.append("".join(self._text))
        elif local == "rPh":
            self._phonetic = False
        elif local == "si":
            self._add(plain_text("".join(self._runs)))
            self._runs.clear()
        self._text.clear()
