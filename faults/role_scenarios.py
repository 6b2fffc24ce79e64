"""Scenarios of a job: success, retry, takeover, failure and redrive, for every destination, small and large.

Together they make every request that the functions make. A permission that no scenario uses is superfluous. A refused
request shows a missing permission.
"""

from __future__ import annotations

from collections.abc import Mapping

from faults import interference
from faults.iceberg_scenarios import ICEBERG_SCENARIOS
from faults.scenario_run import Scenario
from faults.scenarios import RETRIES, SCENARIOS, TRIES
from faults.schedule import Fault
from faults.scripted_run import ScriptedFault

ROLE_SCENARIOS: Mapping[str, Scenario] = {
    "a small object, the first of its name": Scenario("gzip", fresh=True),
    "a small object, tried again by the queue": Scenario(
        "gzip", scripted_faults=[ScriptedFault("PutObject /results", Fault.BUSY, 6)]
    ),
    "a small object, taken over from a dead attempt": Scenario(
        "members", scripted_faults=[ScriptedFault("CreateUpload", Fault.KILL_AFTER)]
    ),
    "a small object, failed and redriven": Scenario(
        "gzip", scripted_faults=[ScriptedFault("GetObject /drops", Fault.FLIPPED_DOWN)], redrive=True
    ),
    "a small object whose source has gone": Scenario(
        "gzip", "superseded", before={"ingest": interference.delete_source}
    ),
    "a small load into PostgreSQL": Scenario("append"),
    "a burst of small loads into PostgreSQL": Scenario("group"),
    "a small load into DynamoDB, taken over": Scenario(
        "dynamodb", scripted_faults=[ScriptedFault("DynamoDB.BatchWriteItem", Fault.KILL_AFTER)]
    ),
    "a large object whose event names no version, planned twice and published unheard": Scenario(
        "large-gzip",
        scripted_faults=[ScriptedFault("CompleteUpload", Fault.KILL_AFTER)],
        on_request={"PutObject /work/jobs/.*/upload-": interference.plan_twice},
        fresh=True,
        versioned=False,
    ),
    "a large object, failed, aborted and redriven": Scenario(
        "large-gzip",
        scripted_faults=[ScriptedFault("GetObject /drops", Fault.FLIPPED_DOWN, during="work")],
        redrive=True,
    ),
    "a large object carried whole, its worker killed": Scenario(
        "large-whole", scripted_faults=[ScriptedFault("CreateUpload", Fault.KILL_AFTER)], fresh=True
    ),
    "a large object whose source has gone before plan": Scenario(
        "large-gzip", "superseded", before={"plan": interference.delete_source}, fresh=True
    ),
    "a large object whose source has gone before index": Scenario(
        "large-gzip", "superseded", before={"index": interference.delete_source}
    ),
    "a small object whose attempt died, found by the reconciler": Scenario(
        "members",
        scripted_faults=[ScriptedFault("CreateUpload", Fault.KILL_AFTER)],
        first=interference.first_attempt_then_reconcile,
        last=interference.dead_letter_message,
    ),
    "a large object whose execution died, found by the reconciler and redriven": Scenario(
        "large-plain", first=interference.first_attempt_then_reconcile, redrive=True
    ),
    "a small archive, taken over from a dead attempt": Scenario(
        "zip", scripted_faults=[ScriptedFault("CreateUpload", Fault.KILL_AFTER)]
    ),
    "an archive with a large member": Scenario("large-archive"),
    "an archive with large compressed members, one of whose workers is killed": Scenario(
        "large-zip", scripted_faults=[ScriptedFault("UploadPart", Fault.KILL_AFTER)]
    ),
    "an encrypted archive": Scenario("encrypted"),
    "an encrypted archive with a large member": Scenario("large-encrypted"),
    "a compressed archive with a large member": Scenario("large-tar-gzip"),
    "a large load into PostgreSQL": Scenario("large-append"),
    "a burst of small loads, announced through throttles and a kill": Scenario(
        "group",
        scripted_faults=[
            ScriptedFault("Events.PutEvents", Fault.BUSY, 7),
            ScriptedFault("Events.PutEvents", Fault.KILL_AFTER),
        ],
        last=interference.announce_through_faults,
    ),
    "a large load into PostgreSQL that may not be finished, and its announcement": Scenario(
        "large-append", "failed", before={"finish": interference.delete_plan}, last=interference.announce
    ),
    "a large load into DynamoDB, its worker killed": Scenario(
        "large-dynamodb", scripted_faults=[ScriptedFault("DynamoDB.BatchWriteItem", Fault.KILL_BEFORE)]
    ),
    "a large load into DynamoDB whose source has gone": Scenario(
        "large-dynamodb", "superseded", before={"work": interference.delete_source}
    ),
    "a large load into DynamoDB whose cut has gone": Scenario(
        "large-dynamodb", "failed", before={"work": interference.delete_plan}
    ),
    "a small load into Parquet files, taken over from an attempt that died among its uploads": Scenario(
        "lake", scripted_faults=[ScriptedFault("UploadPart", Fault.KILL_AFTER)]
    ),
    "a small load into Parquet files, taken over from an attempt that died before it completed them": Scenario(
        "lake", scripted_faults=[ScriptedFault("CompleteUpload", Fault.KILL_BEFORE)]
    ),
    "a large load into Parquet files, one of whose workers is killed": Scenario(
        "large-lake", scripted_faults=[ScriptedFault("CompleteUpload", Fault.KILL_AFTER)]
    ),
    "a large load into Parquet files, aborted between record and completion, and redriven": Scenario(
        "large-lake",
        scripted_faults=[ScriptedFault("CompleteUpload", Fault.BUSY, TRIES * 4)],
        redrive=True,
        retries=RETRIES,
    ),
    "a large load into Parquet files that failed, redriven after its work files have expired": Scenario(
        "large-lake",
        scripted_faults=[ScriptedFault("UploadPart", Fault.BUSY, TRIES * 4)],
        before={"abort": interference.delete_plan_and_records},
        redrive=True,
        retries=RETRIES,
    ),
    **ICEBERG_SCENARIOS,
    "an object that is tagged after its job": Scenario("after-tag"),
    "an object without versions that is tagged after its job": Scenario("after-tag-plain"),
    "an object that is moved after its job, by an attempt that dies": Scenario(
        "after-move", scripted_faults=[ScriptedFault("PutObject /drops/done", Fault.KILL_AFTER, during="after")]
    ),
    "an object that is moved after its job has failed, and again after a redrive": Scenario(
        "after-move-plain", scripted_faults=[ScriptedFault("GetObject /plain-drops", Fault.FLIPPED_DOWN)], redrive=True
    ),
    "a large object that is moved in parts, by an attempt that dies": Scenario(
        "after-copy", scripted_faults=[ScriptedFault("UploadPart /drops/done", Fault.KILL_AFTER, during="after")]
    ),
    "a large object that is moved in parts to a place that is taken meanwhile": Scenario(
        "after-copy-plain", on_request={"UploadPart /plain-drops/done": interference.take_target}
    ),
    "an object that is deleted after its job, while it is uploaded again": Scenario(
        "after-delete", on_request={"DeleteObject /drops": interference.upload_same_bytes}
    ),
    "an object that is deleted for good after its job": Scenario("after-permanent"),
    **SCENARIOS,
}
