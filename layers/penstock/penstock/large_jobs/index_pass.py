"""`index`: one pass over a source that records the entries where spans can start. It stops when time runs out.

The index is stored under ``jobs/index-<digest>/``, by the version of the source and by how its records are found: all
jobs on that version share it.

segment-<at>-<n>   n entries from decoded offset ``at``, with their windows (see codecs/index_file.py); written before
                   the state that names it
state.json         the segments, and the checkpoint after the last entry of the last segment

A pass that was killed, or ran out of time, resumes at the last state, and finds later entries again. The name of a
segment identifies its content: two passes at once, which overwrite each other's state, do no harm.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace

from penstock.codecs import Trace
from penstock.codecs.block_index import START
from penstock.codecs.checkpoint import Checkpoint
from penstock.codecs.codec import Indexer, TailIndex
from penstock.codecs.index_file import HEADER_SIZE, directory_size, pack, read_directory
from penstock.delivery.decoding import ceiling, too_large
from penstock.delivery.member_store import MemberObjects
from penstock.errors import BadSourceError, ConfigurationError, TimeLimitError
from penstock.formats.boundaries import Boundaries, BoundariesState, Text
from penstock.large_jobs.encoded_source import EncodedSource, encoded_source
from penstock.large_jobs.job_files import FOLDER
from penstock.large_jobs.ports import WorkFiles
from penstock.large_jobs.span_planning import SpanBoundary, span_boundary
from penstock.limits import Budget
from penstock.model.identity import digest
from penstock.model.job import Progress
from penstock.model.object import Source
from penstock.model.route import Route
from penstock.model.serialization import from_json, to_json, to_plain
from penstock.model.source import Deadline
from penstock.model.span import Stored

# Entries of a segment: at most 8 MiB of windows are held until it is written.
SEGMENT = 256


@dataclass(frozen=True, slots=True)
class IndexState:
    """The progress of an index. ``segments`` are names. ``checkpoint`` and ``counter`` belong to the last entry.

    ``total``, ``crc32`` and ``warnings`` are those of the decoded source, once the index is ``done``. ``whole``: the
    source has only one entry, so it cannot be split.
    """

    segments: tuple[str, ...] = ()
    entries: int = 0
    done: bool = False
    whole: bool = False
    total: int = 0
    crc32: int | None = None
    warnings: tuple[str, ...] = ()
    checkpoint: str = ""
    counter: str = ""


@dataclass(frozen=True, slots=True)
class Index:
    """The index of one source. ``text`` describes how records are found; None if they are not counted.

    ``checked``: the pass decodes the complete source and verifies its checksums, also where it could jump.
    """

    files: WorkFiles
    source: Source
    codec: str
    spacing: int
    text: Text | None = None
    checked: bool = False

    @property
    def folder(self) -> str:
        if self.checked:
            return f"{FOLDER}/index-{digest(*self.source.identity, self.codec, str(self.spacing), 'checked')}"
        counted = json.dumps(to_plain(self.text), separators=(",", ":"), ensure_ascii=False) if self.text else ""
        return f"{FOLDER}/index-{digest(*self.source.identity, self.codec, str(self.spacing), counted)}"

    def state(self) -> IndexState:
        """Read the state."""
        text = self.files.read(f"{self.folder}/state.json")
        return from_json(IndexState, text) if text else IndexState()

    def write(self, state: IndexState) -> None:
        """Write the state."""
        self.files.write(f"{self.folder}/state.json", to_json(state).encode())

    def key(self, segment: str) -> str:
        """Return the key of a segment."""
        return f"{self.folder}/{segment}"

    def boundaries(self) -> Iterator[SpanBoundary]:
        """Yield all entries of a finished index, without their windows."""
        for segment in self.state().segments:
            yield from self.boundaries_of(segment)

    def boundaries_of(self, segment: str) -> Iterator[SpanBoundary]:
        """Yield the entries of a segment, without their windows."""
        key = self.key(segment)
        head = self.files.read_part(Stored(key, 0, HEADER_SIZE))
        for listed in read_directory(self.files.read_part(Stored(key, 0, directory_size(head)))):
            yield span_boundary(listed, key)


def first_of(segment: str) -> int:
    """Return the decoded offset of the first entry of a segment."""
    return int(segment.split("-")[1], 16)


@dataclass(slots=True)
class _PendingEntry:
    """An entry to write. It waits until its record is found, and then until its segment is full."""

    checkpoint: Checkpoint
    counter: str


@dataclass(slots=True)
class IndexPass:
    """One invocation of the pass, for a job of ``route``. Memory: that of a scan, and a segment of entries."""

    index: Index
    route: Route
    objects: MemberObjects
    budget: Budget
    deadline: Deadline
    margin: float
    heartbeat: Callable[[Progress], None]
    _waiting: deque[_PendingEntry] = field(default_factory=deque)
    _ready: list[_PendingEntry] = field(default_factory=list)

    def run(self) -> bool:
        """Read until the source ends (returns True) or only the margin is left (returns False).

        Raises BadSourceError with the byte offset, ExpansionLimitError at the route's limit, and TimeLimitError if not
        a single entry was found in this invocation.
        """
        state = self.index.state()
        if state.done:
            return True
        encoded = encoded_source(self.objects, self.index.source, self.index.codec, self.budget.window)
        indexer = encoded.indexer
        if indexer is None:
            raise ConfigurationError(f"{self.index.source.uri}: this release cannot index {self.index.codec}")
        with encoded.naming():
            found = None if state.segments else self._tail(encoded, indexer)
            if found and (len(found.entries) == 1 or not (self.index.text or self.index.checked)):
                return self._take(state, found, indexer)
            return self._scan(state, encoded, indexer)

    def _tail(self, encoded: EncodedSource, indexer: Indexer) -> TailIndex | None:
        """Read the index at the end of a source, if its codec has one."""
        if indexer.tail is None:
            return None
        try:
            return indexer.tail(encoded, self.index.spacing)
        except BadSourceError:
            # Damage, or appended garbage: reading from the start shows which.
            return TailIndex([START], 0)

    def _take(self, state: IndexState, found: TailIndex, indexer: Indexer) -> bool:
        self._limit(found.total, self.index.source.encoded_size)
        for entry in found.entries:
            self._note(entry, None)
            if len(self._ready) >= SEGMENT:
                state = self._flush(state)
        return self._end(state, Trace(produced=found.total, warnings=list(found.warnings)), indexer)

    def _scan(self, state: IndexState, encoded: EncodedSource, indexer: Indexer) -> bool:
        segments_before = state.segments
        checkpoint = Checkpoint.from_json(json.loads(state.checkpoint)) if state.checkpoint else None
        counter = self._counter(state)
        trace = Trace()
        start = checkpoint.entry.encoded if checkpoint else 0
        with closing(encoded.read(start, encoded.size)) as chunks:
            pieces = indexer.scan(
                chunks,
                trace,
                self.budget.step,
                spacing=self.index.spacing,
                note=lambda noted: self._note(noted, counter),
                checkpoint=checkpoint,
                content=counter is not None or self.index.checked,
            )
            for piece in pieces:
                self._limit(trace.produced, trace.consumed)
                self.heartbeat(Progress(trace.consumed))
                if counter:
                    counter.feed(piece)
                    self._resolve(counter)
                if len(self._ready) >= SEGMENT:
                    state = self._flush(state)
                if self.deadline.remaining() <= self.margin:
                    return self._pause(state, trace, segments_before)
        if counter:
            counter.finish()
            self._resolve(counter)
        return self._end(state, trace, indexer)

    def _limit(self, decoded: int, encoded: int) -> None:
        if decoded > ceiling(self.index.source, self.route):
            raise too_large(self.index.source, self.route, encoded)

    def _end(self, state: IndexState, trace: Trace, indexer: Indexer) -> bool:
        state = self._flush(state)
        self.index.write(
            replace(
                state,
                done=True,
                whole=indexer.exact and state.entries == 1,
                total=trace.produced,
                crc32=trace.crc32,
                warnings=tuple(trace.warnings),
            )
        )
        return True

    def _counter(self, state: IndexState) -> Boundaries | None:
        if self.index.text is None:
            return None
        if not state.counter:
            return Boundaries(BoundariesState(self.index.text))
        return Boundaries(BoundariesState.from_json(json.loads(state.counter)))

    def _note(self, checkpoint: Checkpoint, counter: Boundaries | None) -> None:
        if counter is None:
            self._ready.append(_PendingEntry(checkpoint, ""))
            return
        # The state of this entry alone: earlier entries that wait for their records are not needed again.
        state = replace(counter.state, marks=(), found=())
        self._waiting.append(_PendingEntry(checkpoint, json.dumps(state.to_json())))
        counter.mark()

    def _resolve(self, counter: Boundaries) -> None:
        for _, record, row in counter.take():
            noted = self._waiting.popleft()
            entry = replace(noted.checkpoint.entry, record=record, row=row)
            noted.checkpoint = replace(noted.checkpoint, entry=entry)
            self._ready.append(noted)

    def _flush(self, state: IndexState) -> IndexState:
        if not self._ready:
            return state
        entries = [(noted.checkpoint.entry, noted.checkpoint.window) for noted in self._ready]
        segment = f"segment-{entries[0][0].decoded:016x}-{len(entries)}"
        self.index.files.write(self.index.key(segment), pack(entries))
        last = self._ready[-1]
        self._ready.clear()
        state = replace(
            state,
            segments=(*state.segments, segment),
            entries=state.entries + len(entries),
            checkpoint=json.dumps(last.checkpoint.to_json()),
            counter=last.counter,
        )
        self.index.write(state)
        return state

    def _pause(self, state: IndexState, trace: Trace, segments_before: tuple[str, ...]) -> bool:
        if self._flush(state).segments == segments_before:
            raise TimeLimitError(
                f"{self.index.source.uri}: no index entry was found in one invocation ({trace.consumed:,} bytes read)"
            )
        return False
