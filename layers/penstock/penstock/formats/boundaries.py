"""Find where records begin in a source that is decoded in order, at memory speed.

The parsers are the specification. A span from one record start to another, parsed separately (see
``penstock.formats.Within``), has the same records as that part of the complete source.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, runtime_checkable

from penstock.codecs.checkpoint import restored
from penstock.errors import CorruptIndexError
from penstock.formats.registry import format_named
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.serialization import OMIT_DEFAULT, to_plain

# Bytes from the start of a source that ``text_of`` needs; fewer only if the source is shorter. Lines before the header
# of a CSV may take half of them, and its delimiter is found in the other half.
HEAD = 2 * 64 * 1024 + 64
# Bytes that are counted at once. More bytes do not fit the processor's cache.
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


class Chain(NamedTuple):
    """Blocks that follow each other, from ``begin`` to ``end``, with so many records."""

    begin: int
    end: int
    records: int


@runtime_checkable
class BlockRules(Rules, Protocol):
    """Rules of a format whose records are in blocks that declare their sizes. All records of a block begin with it.

    A range is surveyed with so many bytes ``before`` and ``after`` it.
    """

    @property
    def before(self) -> int: ...

    @property
    def after(self) -> int: ...

    def numbered(self, state: int, data: bytes) -> Iterator[tuple[int, int]]:
        """Yield the number of records in the data before each block that begins in it, and where it begins."""

    def chains(self, pieces: Iterable[bytes], start: int, end: int, lead: int) -> list[Chain]:
        """Return all chains of blocks that may begin in a range, as its bytes show. Each reaches its end."""


@dataclass(frozen=True, slots=True)
class Text:
    """How the records of a source are separated; JSON-able.

    ``delimiter``, ``quote``, ``escape`` and ``comment`` are bytes of the source, written as Latin-1. ``lead`` bytes
    precede the first record: a byte order mark, and the lines before the header. ``format`` is empty for CSV, and for
    JSON Lines, which has no delimiter: the first release did not write it. For Avro ``delimiter`` is the sync marker.
    """

    delimiter: str = ""
    quote: str = ""
    header: bool = False
    lead: int = 0
    escape: str = ""
    format: str = field(default="", metadata=OMIT_DEFAULT)
    comment: str = field(default="", metadata=OMIT_DEFAULT)

    def rules(self) -> Rules:
        """Return the rules of the format. Raises CorruptIndexError if there is no format of that name."""
        rules = format_named(self.format or (Format.CSV if self.delimiter else Format.JSONL)).rules
        if rules is None:
            raise CorruptIndexError(f"an index file is damaged: {self}")
        return rules(self)


def text_of(options: ParseOptions, head: bytes) -> Text | None:
    """Return how to split the source that starts with ``head`` (HEAD bytes, or all); None if bytes do not allow it.

    Raises InvalidRouteError if the parser does.
    """
    return format_named(options.format).text(options, head)


@dataclass(frozen=True, slots=True)
class BoundariesState:
    """The state that another process needs to resume; JSON-able by ``to_json``. It grows only with open marks."""

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
        """Restore a state. Raises CorruptIndexError."""
        return restored(cls, plain)


class Boundaries:
    """Reads all decoded bytes in order, and finds for each mark where the next record begins.

    ``offset`` is the number of bytes read, ``row`` the number of the next record to begin. Memory: a window of 256 KiB,
    usually twice, at most 8 MiB if it is all quotes and line ends; records may be of any length.
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
        """The state, with open marks and with results that were not taken."""
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
        """Request the first record that begins at or after this offset."""
        self._marks.append(self.offset)

    def take(self) -> list[RecordStart]:
        """Return the results since the last call, in order of the marks."""
        found, self._found = self._found, []
        return found

    def finish(self) -> None:
        """End the source: marks after the last record's start get the end, and the number after the last record's."""
        self._resolve(self.offset, max(1, self.row))

    def _count(self, window: bytes) -> None:
        end, begun = self._rules.step(self._state, window)
        if self._marks and begun:
            for before, at in self._starts(window):
                row = self.row + before
                if row > 0:
                    self._resolve(self.offset + at, row)
                if not self._marks:
                    break
        self._state = end
        self._begun += begun
        self.offset += len(window)

    def _starts(self, window: bytes) -> Iterable[tuple[int, int]]:
        if isinstance(self._rules, BlockRules):
            return self._rules.numbered(self._state, window)
        return enumerate(self._rules.starts(self._state, window))

    def _resolve(self, offset: int, row: int) -> None:
        while self._marks and self._marks[0] <= offset:
            self._found.append(RecordStart(self._marks.pop(0), offset, row))


def boundaries_for(options: ParseOptions, head: bytes) -> Boundaries | None:
    """Create boundaries for the source that starts with ``head``, before any byte is fed; otherwise as ``text_of``."""
    text = text_of(options, head)
    return Boundaries(BoundariesState(text)) if text else None
