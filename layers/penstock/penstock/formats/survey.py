"""Find where records begin in a source that can be entered anywhere. Its ranges are counted independently.

The state in which a range begins is unknown until all ranges before it are counted. So each range is counted from
every possible state. The states soon merge into one, or into two: inside and outside of quotes. Equal states are
counted once. When all ranges are counted, ``stitch`` picks the outcome of the true state from each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from penstock.codecs.checkpoint import restored
from penstock.codecs.checksum import crc32
from penstock.errors import CorruptIndexError
from penstock.formats.boundaries import BlockRules, RecordStart, Rules, Text
from penstock.model.serialization import OMIT_DEFAULT, to_plain

# Bytes that are counted at once, and the bytes that are counted first: those take five times as long each.
_WINDOW = 256 * 1024
_FIRST = 4096
# Enough starts for a mark: a header may come first, and a line that began in the range before.
_STARTS = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a range that begins in the state ``entry``.

    It ends in the state ``end``, ``begun`` records begin in it, the first of them at ``starts``, which count from the
    start of the range. One below 0 began in the range before, but is known to be a record only in this one.
    Of a format in blocks, ``entry`` is the offset of the first block that begins in the range, and ``end`` that of the
    first one that does not.
    """

    entry: int
    end: int
    begun: int
    starts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Survey:
    """A range of a source, counted from all states that it may begin in; JSON-able by ``to_json``, below 1 KB.

    ``crc32`` is that of its bytes.
    """

    text: Text
    start: int
    size: int
    outcomes: tuple[Outcome, ...]
    crc32: int = field(default=0, metadata=OMIT_DEFAULT)

    @property
    def end(self) -> int:
        return self.start + self.size

    def outcome(self, state: int) -> Outcome:
        """Return the outcome for the state in which the range before ends."""
        known = {outcome.entry: outcome for outcome in self.outcomes}
        if state in known:
            return known[state]
        if 1 not in known:
            raise CorruptIndexError(f"an index file is damaged: a survey without state {state}")
        return self._longer(known[1], state - 1)

    def _longer(self, outcome: Outcome, more: int) -> Outcome:
        """Correct an outcome: white space from the range before was counted as one byte, but is ``more`` longer."""
        end = outcome.end + more if outcome.end == outcome.entry + self.size else outcome.end
        starts = tuple(at - more if at < 0 else at for at in outcome.starts)
        return Outcome(outcome.entry + more, end, outcome.begun, starts)

    def to_json(self) -> dict[str, Any]:
        plain: dict[str, Any] = to_plain(self)
        return plain

    @classmethod
    def from_json(cls, plain: object) -> Survey:
        """Restore a survey. Raises CorruptIndexError."""
        return restored(cls, plain)


def reach(text: Text, start: int, end: int, size: int) -> tuple[int, int]:
    """Return which bytes of a source of ``size`` bytes are read to survey the range from ``start`` to ``end``."""
    rules = text.rules()
    if isinstance(rules, BlockRules):
        return max(0, start - rules.before), min(size, end + rules.after)
    return start, end


def survey(pieces: Iterable[bytes], text: Text, start: int, end: int | None = None) -> Survey:
    """Count one range, which begins at byte ``start`` of the source and is all of ``pieces``; where `reach` says more,
    it ends at ``end``, and the pieces are what `reach` says.

    ``text`` is that of the source (see ``text_of``). Memory: one piece, and that of ``Boundaries``.
    """
    rules = text.rules()
    if isinstance(rules, BlockRules):
        return _survey_blocks(pieces, text, rules, start, start if end is None else end)
    lead = max(0, text.lead - start)
    # The state before the first record is known.
    threads = [_Thread(entry, entry) for entry in ((0,) if lead or not start else rules.entries)]
    size = crc = 0
    for window in _windows(pieces):
        crc = crc32(window, crc)
        skipped = min(len(window), max(0, lead - size))
        _count(threads, rules, window[skipped:], size + skipped)
        size += len(window)
    return Survey(text, start, size, tuple(thread.outcome() for thread in threads), crc)


def _survey_blocks(pieces: Iterable[bytes], text: Text, rules: BlockRules, start: int, end: int) -> Survey:
    crc = 0

    def counted() -> Iterator[bytes]:
        nonlocal crc
        at = reach(text, start, end, end)[0]
        for window in _windows(pieces):
            crc = crc32(window[max(0, start - at) : max(0, end - at)], crc)
            at += len(window)
            yield window

    chains = rules.chains(counted(), start, end, text.lead)
    outcomes = tuple(Outcome(chain.begin, chain.end, chain.records, ()) for chain in chains)
    return Survey(text, start, end - start, outcomes, crc)


def stitch(surveys: Sequence[Survey]) -> list[RecordStart]:
    """Return the first record at or after the start of each range. ``surveys`` are those of all ranges, in order.

    The result is that of `Boundaries` with a mark at the start of each range. Raises ValueError if a range is missing.
    """
    if not surveys or surveys[0].start or any(before.end != after.start for before, after in pairwise(surveys)):
        raise ValueError("the ranges do not form a complete source")
    if isinstance(surveys[0].text.rules(), BlockRules):
        return _stitch_blocks(surveys)
    found: list[RecordStart] = []
    marks: list[int] = []
    state, row = 0, 0 if surveys[0].text.header else 1
    for part in surveys:
        marks.append(part.start)
        outcome = part.outcome(state)
        for number, at in enumerate(outcome.starts, row):
            if number > 0:
                found += _resolved(marks, part.start + at, number)
        state, row = outcome.end, row + outcome.begun
    found += _resolved(marks, surveys[-1].end, max(1, row))
    return found


def _stitch_blocks(surveys: Sequence[Survey]) -> list[RecordStart]:
    """Follow the blocks through all ranges. Where a range has no chain that goes on, no record begins any more."""
    found: list[RecordStart] = []
    marks: list[int] = []
    following, row = surveys[0].text.lead, 1
    for part in surveys:
        marks.append(part.start)
        if following < part.end:
            chain = next((outcome for outcome in part.outcomes if outcome.entry == following), None)
            if chain:
                found += _resolved(marks, following, row)
                row += chain.begun
            following = chain.end if chain else surveys[-1].end
    return [*found, *_resolved(marks, surveys[-1].end, row)]


@dataclass(slots=True)
class _Thread:
    """The count from one state."""

    entry: int
    state: int
    begun: int = 0
    starts: list[int] = field(default_factory=list)

    def outcome(self) -> Outcome:
        return Outcome(self.entry, self.state, self.begun, tuple(self.starts))


def _count(threads: Sequence[_Thread], rules: Rules, window: bytes, offset: int) -> None:
    counted: dict[int, tuple[int, int]] = {}
    for thread in threads:
        if thread.state not in counted:
            counted[thread.state] = rules.step(thread.state, window)
        end, begun = counted[thread.state]
        if begun and len(thread.starts) < _STARTS:
            for at, _ in zip(rules.starts(thread.state, window), range(len(thread.starts), _STARTS), strict=False):
                thread.starts.append(offset + at)
        thread.state = end
        thread.begun += begun


def _windows(pieces: Iterable[bytes]) -> Iterator[bytes]:
    first = True
    for piece in pieces:
        at = 0
        while at < len(piece):
            size = _FIRST if first else _WINDOW
            yield piece[at : at + size]
            at += size
            first = False


def _resolved(marks: list[int], offset: int, row: int) -> Iterator[RecordStart]:
    while marks and marks[0] <= offset:
        yield RecordStart(marks.pop(0), offset, row)
