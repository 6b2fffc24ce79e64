"""Finds where records begin in a source that is decoded in order, at memory speed.

The parsers are the specification. A span from one record start to another, parsed on its own (see
``penstock.formats.Within``), has the same records as that part of the whole source.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from penstock.codecs.checkpoint import restored
from penstock.errors import CorruptIndexError
from penstock.formats.registry import format_named
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.serialization import OMIT_DEFAULT, to_plain

# Bytes from the start of a source that ``text_of`` needs; fewer only where the source has no more.
HEAD = 32
# Bytes that are counted at once. More do not fit the processor's cache.
_WINDOW = 256 * 1024


class RecordStart(NamedTuple):
    """The first record that begins at or after ``mark``: its offset, and its number (from 1, a header is 0)."""

    mark: int
    offset: int
    row: int


class Rules(Protocol):
    """Which bytes begin records. States are integers, 0 at the start of a source.

    ``entries`` represent all states in which a range in the middle of a source can begin.
    """

    @property
    def entries(self) -> tuple[int, ...]: ...

    def step(self, state: int, data: bytes) -> tuple[int, int]: ...

    def starts(self, state: int, data: bytes) -> Iterator[int]: ...


@dataclass(frozen=True, slots=True)
class Text:
    """How the records of a source are separated; JSON-able.

    ``delimiter``, ``quote`` and ``escape`` are bytes of the source, written as Latin-1. ``lead`` bytes stand before the
    first record: a byte order mark, and the line in which Excel names the delimiter. ``format`` is empty for CSV, and
    for JSON Lines, which has no delimiter: the first release did not write it.
    """

    delimiter: str = ""
    quote: str = ""
    header: bool = False
    lead: int = 0
    escape: str = ""
    format: str = field(default="", metadata=OMIT_DEFAULT)

    def rules(self) -> Rules:
        """The rules of the format. Raises CorruptIndexError where there is none of that name."""
        rules = format_named(self.format or (Format.CSV if self.delimiter else Format.JSONL)).rules
        if rules is None:
            raise CorruptIndexError(f"an index file is damaged: {self}")
        return rules(self)


def text_of(options: ParseOptions, head: bytes) -> Text | None:
    """How to cut the source that starts with ``head`` (HEAD bytes, or all); None if it cannot be cut at bytes.

    Raises InvalidRouteError where the parser does.
    """
    return format_named(options.format).text(options, head)


@dataclass(frozen=True, slots=True)
class BoundariesState:
    """What another process needs to resume; JSON-able by ``to_json``. It grows with open marks alone."""

    text: Text
    offset: int = 0
    begun: int = 0
    state: int = 0
    marks: tuple[int, ...] = ()
    found: tuple[RecordStart, ...] = ()

    def to_json(self) -> dict[str, Any]:
        plain: dict[str, Any] = to_plain(self)
        return plain

    @classmethod
    def from_json(cls, plain: object) -> BoundariesState:
        """Raises CorruptIndexError."""
        return restored(cls, plain)


class Boundaries:
    """Reads all decoded bytes in order, and answers for each mark where the next record begins.

    ``offset`` counts bytes seen, ``row`` is the number of the next record to begin. Memory: a window of 256 KiB,
    mostly twice, at most 8 MiB where it is all quotes and line ends; records may be of any length.
    """

    def __init__(self, state: BoundariesState) -> None:
        self._text = state.text
        self._rules = state.text.rules()
        self.offset = state.offset
        self._begun = state.begun
        self._state = state.state
        self._marks = list(state.marks)
        self._found = list(state.found)

    @property
    def row(self) -> int:
        return self._begun + (not self._text.header)

    @property
    def state(self) -> BoundariesState:
        """Open marks and answers that were not taken are part of it."""
        return BoundariesState(
            self._text, self.offset, self._begun, self._state, tuple(self._marks), tuple(self._found)
        )

    def feed(self, piece: bytes | memoryview) -> None:
        view = memoryview(piece)
        lead = min(len(view), max(0, self._text.lead - self.offset))
        self.offset += lead
        for at in range(lead, len(view), _WINDOW):
            self._count(bytes(view[at : at + _WINDOW]))

    def mark(self) -> None:
        """Ask for the first record that begins at or after this offset."""
        self._marks.append(self.offset)

    def take(self) -> list[RecordStart]:
        """What was found since the last call, in order of the marks."""
        found, self._found = self._found, []
        return found

    def finish(self) -> None:
        """The source has ended: marks behind the last record's start get the end, and the number after the last."""
        self._resolve(self.offset, max(1, self.row))

    def _count(self, window: bytes) -> None:
        end, begun = self._rules.step(self._state, window)
        if self._marks and begun:
            for row, at in enumerate(self._rules.starts(self._state, window), self.row):
                if row > 0:
                    self._resolve(self.offset + at, row)
                if not self._marks:
                    break
        self._state = end
        self._begun += begun
        self.offset += len(window)

    def _resolve(self, offset: int, row: int) -> None:
        while self._marks and self._marks[0] <= offset:
            self._found.append(RecordStart(self._marks.pop(0), offset, row))


def boundaries_for(options: ParseOptions, head: bytes) -> Boundaries | None:
    """For the source that starts with ``head``, nothing of which was fed yet; else as ``text_of``."""
    text = text_of(options, head)
    return Boundaries(BoundariesState(text)) if text else None
