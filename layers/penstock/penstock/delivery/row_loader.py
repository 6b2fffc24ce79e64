"""Load records into a table sink by chunks: parser -> rows -> chunks, each committed with its ledger entry.

The same loop loads a complete source and a span of a large job. One chunk is built while the database loads the
previous one. Memory: two batches of records, each about ten times ``batch_bytes``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial

from penstock.delivery.growing_tables import GrowingChunkBuilder, grows
from penstock.delivery.pending_chunk import PendingChunk
from penstock.delivery.reject_writer import RejectWriter
from penstock.destinations.ports import TableSink
from penstock.formats import ReadLimits, Within, parse, tell_nobody
from penstock.model.load import Chunk, Loaded, Resume
from penstock.model.source import RangeReader
from penstock.model.source_values import SourceValues
from penstock.model.table import TablePlan
from penstock.tables import (
    ChunkBuilder,
    Form,
    check_paths,
    check_values,
    gc_deferred,
    needed_fields,
    single_batch,
    with_metadata,
)


@dataclass(slots=True)
class RowLoader:
    """Loads one span or a complete source, after the chunks that are in the ledger.

    ``resume`` is the result of the sink's ``begin``; ``reached`` is the current position of the load. ``check`` is
    called before each chunk is sent, and raises an error to prevent it. ``heartbeat`` is called after each committed
    chunk. ``is_all``: the load holds all records of the source. ``values`` are those of the source for columns.
    ``begun``: when the job was first claimed, if its rows tell it. ``tell``: see
    `penstock.formats.parse`.
    """

    sink: TableSink
    plan: TablePlan
    resume: Resume
    rejects: RejectWriter
    form: Form
    batch_bytes: int
    check: Callable[[], None]
    heartbeat: Callable[[Resume], None]
    is_all: bool = True
    limits: ReadLimits = field(default_factory=ReadLimits)
    values: SourceValues = field(default_factory=dict)
    begun: float = 0.0
    tell: Callable[[str], None] = tell_nobody
    reached: Resume = field(init=False)

    def __post_init__(self) -> None:
        self.reached = self.resume

    @property
    def has_committed(self) -> bool:
        """Whether this attempt has committed a chunk."""
        return self.reached.chunk > self.resume.chunk

    def load(self, pieces: Iterable[bytes], within: Within | None = None, ranges: RangeReader | None = None) -> Resume:
        """Load the records of the decoded pieces; return the total of this and all earlier attempts.

        ``within`` describes the start of a span, ``ranges`` reads the complete decoded source instead of the pieces.
        Raises TooManyRejectsError as soon as the load has more rejects than the route allows, SourceValueError, and the
        errors of the parser, ``check`` and the sink.
        """
        check_values(self.plan, self.values)
        # An attempt may have died after it committed a chunk and before it wrote the database's rejects.
        self.rejects.write(f"{self.resume.chunk - 1:06d}-refused", self.resume.refused)
        pending = PendingChunk()
        builder = self._builder(pending.settle)
        self.reached = replace(self.resume, fields=self.resume.fields_with(builder.fields))
        batches = parse(
            pieces,
            self.plan.parse,
            batch_bytes=self.batch_bytes,
            resume=self.resume,
            limits=self.limits,
            validator_factory=builder.validator,
            within=within,
            tell=self.tell,
            ranges=ranges,
            columns=needed_fields(self.plan),
        )
        with gc_deferred(), pending:
            for number, (batch, is_only) in enumerate(single_batch(batches), start=self.resume.chunk):
                chunk, rejects = builder.chunk(number, with_metadata(batch, self.plan, self.values))
                pending.settle()
                self.rejects.write(f"{number:06d}", rejects)
                chunk = replace(chunk, fields=self.resume.fields_with(builder.fields), begun=self.begun)
                chunk = self._checked(chunk, all_records=self.is_all and is_only and not number)
                self.check()
                pending.begin(partial(self._settle, chunk, self.sink.submit(chunk)))
        self.rejects.check(self.reached.rejects)
        return self.reached

    def _builder(self, settle: Callable[[], None]) -> ChunkBuilder | GrowingChunkBuilder:
        if grows(self.plan):
            return GrowingChunkBuilder(self.sink, self.plan, self.form, settle)
        return ChunkBuilder(self.plan, self.form)

    def _checked(self, chunk: Chunk, *, all_records: bool) -> Chunk:
        """Return the chunk with the number of rejects that the database may still add. ``all_records``: it is the only
        chunk, so a share of rejects and the paths of columns can be checked before anything is loaded."""
        rejects = self.reached.rejects + chunk.rejects
        records = chunk.records if all_records else None
        self.rejects.check(rejects, records)
        if all_records:
            check_paths(self.plan, chunk.fields)
        return replace(chunk, spare=self.rejects.spare(rejects, records))

    def _settle(self, chunk: Chunk, settled: Callable[[], Loaded]) -> None:
        loaded = settled()
        self.rejects.write(f"{chunk.number:06d}-refused", loaded.rejects)
        rejects = self.reached.rejects + chunk.rejects + len(loaded.rejects)
        if not loaded.committed:
            raise self.rejects.too_many(rejects, chunk.records)
        self.reached = Resume(
            chunk=chunk.number + 1,
            offset=chunk.end,
            row=chunk.next_row,
            rows=self.reached.rows + loaded.rows,
            rejects=rejects,
            dropped=self.reached.dropped + loaded.dropped,
            fields=chunk.fields,
        )
        self.heartbeat(self.reached)
        self.rejects.check(rejects)
