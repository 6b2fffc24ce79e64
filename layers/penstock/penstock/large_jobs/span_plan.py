"""How the state machine delivers a job: the complete source at once, spans of an object, spans of a table load, or
batches of an archive's members.

`plan` decides it once and writes it to the work bucket. Every later step reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from penstock.errors import IncompleteJobError
from penstock.model.serialization import OMIT_DEFAULT
from penstock.model.span import SpanReceipt, Within
from penstock.model.table import TablePlan

# The number of the span of a source that is not split, and of the records that ingest loads before a handover.
WHOLE = 0


@dataclass(frozen=True, slots=True)
class WholeSource:
    """The source cannot be split: span 0 is the complete source, delivered as ingest delivers it.

    ``table_plan`` is the plan of a table job, with its columns. ``execution`` is the one that wrote the plan.
    """

    codec: str
    table_plan: TablePlan | None = None
    execution: str = ""

    @property
    def numbers(self) -> Sequence[int]:
        return (WHOLE,)


@dataclass(frozen=True, slots=True)
class ObjectSpans:
    """Spans 1 to ``count`` fill the parts of one multipart upload.

    ``total`` and ``crc32`` are those of the decoded source. ``crc32`` is None if the source declares none.
    ``warnings`` come from the index.
    """

    codec: str
    count: int
    total: int
    crc32: int | None = None
    warnings: tuple[str, ...] = ()
    execution: str = ""

    @property
    def numbers(self) -> Sequence[int]:
        return range(1, self.count + 1)


@dataclass(frozen=True, slots=True)
class TableSpans:
    """Spans 1 to ``count`` hold complete records, which are loaded into tables.

    ``table_plan`` has its columns, and ``within`` is what the parser of a span needs to know of the source's start.
    ``before`` is what ingest had loaded when it handed the job over. ``ordered``: the spans are loaded in
    order. The other fields are as in `ObjectSpans`.
    """

    codec: str
    count: int
    total: int
    table_plan: TablePlan
    within: Within
    crc32: int | None = None
    warnings: tuple[str, ...] = ()
    before: SpanReceipt | None = None
    ordered: bool = False
    execution: str = ""

    @property
    def numbers(self) -> Sequence[int]:
        return range(1, self.count + 1)


@dataclass(frozen=True, slots=True)
class MemberBatches:
    """Batches 1 to ``count`` hold the ``members`` of an archive, and what is ``skipped`` in it.

    ``codec`` is the archive's format, ``total`` the sum of the sizes that it declares for its members. ``large`` of
    the batches are single members with a job of their own. ``ordered``: the batches are delivered in order.
    ``decoded``: the decoded bytes of an archive that is read through the index of its codec; 0 for any other.
    ``warnings`` come from that index.
    """

    codec: str
    count: int
    total: int
    members: int
    skipped: int = 0
    large: int = 0
    ordered: bool = False
    execution: str = ""
    decoded: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def numbers(self) -> Sequence[int]:
        return range(1, self.count + 1)

    def encoded(self, count: int, size: int) -> int:
        """Return about how many bytes of an archive of ``size`` bytes hold so many bytes of its members."""
        return count * size // self.decoded if self.decoded else count


SpanPlan = WholeSource | ObjectSpans | TableSpans | MemberBatches


@dataclass(frozen=True, slots=True)
class SpanPlanDocument:
    """A span plan as it is stored. Its fields are those of the first release, which every release reads.

    ``spans`` is 0 for a source that is not split. ``plan`` is set for table jobs, and ``within`` if they have spans.
    ``members`` is set for archives, and ``decoded`` for those that are read through an index.
    """

    codec: str
    spans: int
    total: int = -1
    crc32: int | None = None
    warnings: tuple[str, ...] = ()
    plan: TablePlan | None = None
    within: Within | None = None
    before: SpanReceipt | None = None
    ordered: bool = False
    execution: str = ""
    members: int | None = field(default=None, metadata=OMIT_DEFAULT)
    skipped: int = field(default=0, metadata=OMIT_DEFAULT)
    large: int = field(default=0, metadata=OMIT_DEFAULT)
    decoded: int = field(default=0, metadata=OMIT_DEFAULT)


def to_document(plan: SpanPlan) -> SpanPlanDocument:
    """Return the document to store for a plan."""
    match plan:
        case WholeSource():
            return SpanPlanDocument(plan.codec, WHOLE, plan=plan.table_plan, execution=plan.execution)
        case ObjectSpans():
            return SpanPlanDocument(
                plan.codec, plan.count, plan.total, plan.crc32, plan.warnings, execution=plan.execution
            )
        case TableSpans():
            return SpanPlanDocument(
                plan.codec,
                plan.count,
                plan.total,
                plan.crc32,
                plan.warnings,
                plan.table_plan,
                plan.within,
                plan.before,
                plan.ordered,
                plan.execution,
            )
        case MemberBatches():
            return SpanPlanDocument(
                plan.codec,
                plan.count,
                plan.total,
                warnings=plan.warnings,
                ordered=plan.ordered,
                execution=plan.execution,
                members=plan.members,
                skipped=plan.skipped,
                large=plan.large,
                decoded=plan.decoded,
            )


def from_document(document: SpanPlanDocument) -> SpanPlan:
    """Return the plan of a document. Raises IncompleteJobError if a field is missing."""
    if document.members is not None:
        return MemberBatches(
            document.codec,
            document.spans,
            document.total,
            document.members,
            document.skipped,
            document.large,
            document.ordered,
            document.execution,
            document.decoded,
            document.warnings,
        )
    if not document.spans:
        return WholeSource(document.codec, document.plan, document.execution)
    if document.plan is None:
        return ObjectSpans(
            document.codec, document.spans, document.total, document.crc32, document.warnings, document.execution
        )
    if document.within is None:
        raise IncompleteJobError("the stored plan of a table load does not say how its records are parsed")
    return TableSpans(
        document.codec,
        document.spans,
        document.total,
        document.plan,
        document.within,
        document.crc32,
        document.warnings,
        document.before,
        document.ordered,
        document.execution,
    )
