"""Fakes of every port, for tests of your own: in memory, and failing on purpose."""

from penstock.testing.after import MemoryAfterStore
from penstock.testing.announcements import MemoryChannel
from penstock.testing.faults import (
    FailingSink,
    FailingSource,
    FaultyObjectStore,
    FlippedBit,
    ManualDeadline,
    Moment,
    ShortReads,
    changed,
    reset,
    slow_down,
)
from penstock.testing.job_times import MemoryJobRecords, MemoryJobTimes
from penstock.testing.jobs import MemoryJobStore
from penstock.testing.large_jobs import (
    MemoryExecutionStore,
    MemoryPartStore,
    MemoryStateMachine,
    MemoryWorkFiles,
)
from penstock.testing.objects import MemoryByteSource, MemoryObjectStore, StoredObject
from penstock.testing.open_jobs import MemoryOpenJobs
from penstock.testing.queues import MemoryEventQueue, MemoryQueue
from penstock.testing.ranges import MemoryRanges
from penstock.testing.rejects import MemoryRejectLog
from penstock.testing.texts import MemoryTexts

__all__ = [
    "FailingSink",
    "FailingSource",
    "FaultyObjectStore",
    "FlippedBit",
    "ManualDeadline",
    "MemoryAfterStore",
    "MemoryByteSource",
    "MemoryChannel",
    "MemoryEventQueue",
    "MemoryExecutionStore",
    "MemoryJobRecords",
    "MemoryJobStore",
    "MemoryJobTimes",
    "MemoryObjectStore",
    "MemoryOpenJobs",
    "MemoryPartStore",
    "MemoryQueue",
    "MemoryRanges",
    "MemoryRejectLog",
    "MemoryStateMachine",
    "MemoryTexts",
    "MemoryWorkFiles",
    "Moment",
    "ShortReads",
    "StoredObject",
    "changed",
    "reset",
    "slow_down",
]
