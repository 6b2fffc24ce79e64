"""The named paths of a job: success, retry, takeover, failure, redrive; of every destination, small and large.

Together they make every request that the functions make. So what a role may do, and no path did under it, is a right
too many, and a path in which anything is refused tells of one that is missing.
"""

from __future__ import annotations

from collections.abc import Mapping

from faults import interference
from faults.scenario_run import Path
from faults.scenarios import SCENARIOS
from faults.schedule import Fault
from faults.script import Strike

PATHS: Mapping[str, Path] = {
    "a small object, the first of its name": Path("gzip", fresh=True),
    "a small object, tried again by the queue": Path("gzip", strikes=[Strike("PutObject /results", Fault.BUSY, 6)]),
    "a small object, taken over from a dead attempt": Path(
        "members", strikes=[Strike("CreateUpload", Fault.KILL_AFTER)]
    ),
    "a small object, failed and redriven": Path(
        "gzip", strikes=[Strike("GetObject /drops", Fault.FLIPPED_DOWN)], redrive=True
    ),
    "a small object whose source has gone": Path("gzip", "superseded", before={"ingest": interference.without_source}),
    "a small load into PostgreSQL": Path("append"),
    "a burst of small loads into PostgreSQL": Path("group"),
    "a small load into DynamoDB, taken over": Path(
        "dynamodb", strikes=[Strike("DynamoDB.BatchWriteItem", Fault.KILL_AFTER)]
    ),
    "a large object whose event names no version, planned twice and published unheard": Path(
        "large-gzip",
        strikes=[Strike("CompleteUpload", Fault.KILL_AFTER)],
        asides={"PutObject /work/jobs/.*/upload-": interference.plan_twice},
        fresh=True,
        versioned=False,
    ),
    "a large object, failed, aborted and redriven": Path(
        "large-gzip", strikes=[Strike("GetObject /drops", Fault.FLIPPED_DOWN, during="work")], redrive=True
    ),
    "a large object carried whole, its worker killed": Path(
        "large-whole", strikes=[Strike("CreateUpload", Fault.KILL_AFTER)], fresh=True
    ),
    "a large object whose source has gone before plan": Path(
        "large-gzip", "superseded", before={"plan": interference.without_source}, fresh=True
    ),
    "a large object whose source has gone before index": Path(
        "large-gzip", "superseded", before={"index": interference.without_source}
    ),
    "a small object whose attempt died, found by the reconciler": Path(
        "members", strikes=[Strike("CreateUpload", Fault.KILL_AFTER)], first=interference.dies, last=interference.buried
    ),
    "a large object whose execution died, found by the reconciler and redriven": Path(
        "large-plain", first=interference.dies, redrive=True
    ),
    "a large load into PostgreSQL": Path("large-append"),
    "a large load into PostgreSQL that may not be finished": Path(
        "large-append", "failed", before={"finish": interference.without_cut}
    ),
    "a large load into DynamoDB, its worker killed": Path(
        "large-dynamodb", strikes=[Strike("DynamoDB.BatchWriteItem", Fault.KILL_BEFORE)]
    ),
    "a large load into DynamoDB whose source has gone": Path(
        "large-dynamodb", "superseded", before={"work": interference.without_source}
    ),
    "a large load into DynamoDB whose cut has gone": Path(
        "large-dynamodb", "failed", before={"work": interference.without_cut}
    ),
    **SCENARIOS,
}
