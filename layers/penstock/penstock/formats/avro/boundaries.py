"""Where blocks begin: by the headers of blocks from the first one on, or in any range by the sync marker.

A block is the unit: its records begin where it begins. Data may hold the bytes of the marker by accident or on purpose.
So a range has an outcome for each place where a chain of blocks may begin. A chain goes on as long as each block ends
with the marker where its header says; `survey.stitch` takes the chain that begins where that of the range before ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from penstock.formats.avro.container import BLOCK_HEADER, SYNC, is_plausible
from penstock.formats.avro.long import parse_long
from penstock.formats.boundaries import Chain

# Chains of a range, and places at which each may begin: there are more only where data holds the marker on purpose.
_MOST = 4

# Kinds of states: within the header of a block (its bytes so far), before the marker (bytes to pass), within the marker
# (bytes that were seen), and after damage. A state is that payload, shifted, and its kind.
_HEADER, _SKIP, _MARKER, _LOST = range(4)
_SHIFT, _KIND = 2, 3


class AvroRules:
    """Finds blocks in a source with this sync marker. Implements ``BlockRules``.

    After damage no block begins, so that what follows belongs to the span before, whose parser names the damage.
    """

    entries = (0,)
    before, after = SYNC, BLOCK_HEADER

    def __init__(self, sync: bytes) -> None:
        self._sync = sync

    def step(self, state: int, data: bytes) -> tuple[int, int]:
        """Return the state after the data, and how many records the blocks that begin in it declare."""
        end, found = self._walk(state, data)
        return end, sum(count for _, count in found)

    def starts(self, state: int, data: bytes) -> Iterator[int]:
        """Yield where blocks begin in the data; below 0 if the header began before the data."""
        return (at for at, _ in self._walk(state, data)[1])

    def numbered(self, state: int, data: bytes) -> Iterator[tuple[int, int]]:
        """Yield the number of records in the data before each block that begins in it, and where it begins."""
        before = 0
        for at, count in self._walk(state, data)[1]:
            yield before, at
            before += count

    def _walk(self, state: int, data: bytes) -> tuple[int, list[tuple[int, int]]]:
        kind, payload = state & _KIND, state >> _SHIFT
        found: list[tuple[int, int]] = []
        at, size = 0, len(data)
        while at < size and kind != _LOST:
            if kind == _HEADER:
                held = _held(payload)
                head = held + data[at : at + BLOCK_HEADER - len(held)]
                count, length, end = _block_at(head, 0)
                if end < 0:
                    kind, payload = (_LOST, 0) if len(head) == BLOCK_HEADER else (_HEADER, _hold(head))
                    break
                if not is_plausible(count, length):
                    kind, payload = _LOST, 0
                    break
                found.append((at - len(held), count))
                at += end - len(held)
                kind, payload = _SKIP, length
            if kind == _SKIP:
                passed = min(payload, size - at)
                at += passed
                payload -= passed
                if payload:
                    break
                kind = _MARKER
            seen = min(SYNC - payload, size - at)
            if data[at : at + seen] != self._sync[payload : payload + seen]:
                kind, payload = _LOST, 0
                break
            at += seen
            payload += seen
            if payload == SYNC:
                kind, payload = _HEADER, 0
        return payload << _SHIFT | kind, found

    def chains(self, pieces: Iterable[bytes], start: int, end: int, lead: int) -> list[Chain]:
        """Return the chains of blocks that begin in the range. No block begins before ``lead``.

        The pieces are the source from ``before`` bytes before the range, to ``after`` behind it. Memory: two pieces.
        """
        search = _Search(self._sync, max(start, lead), end)
        base = max(0, start - self.before)
        buffer = b""
        for piece in pieces:
            buffer += piece
            passed = max(0, len(buffer) - self.before - self.after)
            search.look(buffer, base, passed)
            base += passed
            buffer = buffer[passed:]
        search.look(buffer, base, len(buffer))
        return search.found()


@dataclass(slots=True)
class _Growing:
    """A chain whose next marker is at ``marker``. ``total`` counts its records; ``begins`` are the places where it may
    begin, each with the records before it."""

    total: int = 0
    marker: int = 0
    begins: list[tuple[int, int]] = field(default_factory=list)


class _Search:
    """Follows all chains of blocks that begin in a range."""

    def __init__(self, sync: bytes, start: int, end: int) -> None:
        self._sync = sync
        self._start = start
        self._end = end
        self._by_marker: dict[int, _Growing] = {}

    def look(self, data: bytes, base: int, until: int) -> None:
        """Look at the markers that begin in the first ``until`` bytes of the data, which is at ``base``."""
        at = data.find(self._sync)
        while 0 <= at < until:
            if self._start <= base + at + SYNC < self._end:
                self._follow(data, at, base)
            at = data.find(self._sync, at + 1)

    def _follow(self, data: bytes, at: int, base: int) -> None:
        chain = self._by_marker.pop(base + at, None)
        if chain is None:
            self._forget_broken(base + at)
            if len(self._by_marker) == _MOST:
                return
            chain = _Growing()
        start = at + SYNC
        if len(chain.begins) < _MOST:
            chain.begins.append((base + start, chain.total))
        count, length, end = _block_at(data, start)
        if end < 0 or not is_plausible(count, length):
            return
        chain.total += count
        chain.marker = base + end + length
        other = self._by_marker.get(chain.marker)
        if other:
            chain.begins += [(begin, chain.total - other.total + passed) for begin, passed in other.begins]
            chain.begins.sort()
            del chain.begins[_MOST:]
        self._by_marker[chain.marker] = chain

    def _forget_broken(self, reached: int) -> None:
        """Forget chains whose marker was not where it should be."""
        for marker in [marker for marker in self._by_marker if marker < reached]:
            del self._by_marker[marker]

    def found(self) -> list[Chain]:
        return [
            Chain(begin, marker + SYNC, chain.total - passed)
            for marker, chain in self._by_marker.items()
            for begin, passed in chain.begins
            if marker + SYNC >= self._end
        ]


def _block_at(data: bytes, at: int) -> tuple[int, int, int]:
    """Return the count and the size in the header of the block at this place, and where the header ends; -1 if it does
    not end within the data."""
    count, middle = parse_long(data, at)
    size, end = parse_long(data, middle) if middle else (0, 0)
    return count, size, end or -1


def _hold(head: bytes) -> int:
    """The bytes of an incomplete header as a number."""
    return int.from_bytes(b"\1" + head, "big") if head else 0


def _held(payload: int) -> bytes:
    return payload.to_bytes((payload.bit_length() + 7) // 8, "big")[1:]
