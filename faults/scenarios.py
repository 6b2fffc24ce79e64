"""Scenarios that seeds once found, and similar ones, as scripts: a seed's meaning changes when the suite changes.

A delivered result counts as success even if the attempt that delivered it fails later. Nothing may be left open.
"""

from __future__ import annotations

from collections.abc import Mapping

from faults import interference
from faults.scenario_run import Scenario
from faults.schedule import Fault
from faults.scripted_run import ScriptedFault

# botocore asks five times, the queue delivers a message five times. EventBridge has `abort` done three times, after the
# machine has: 21 times by its definition, which takes long to walk.
TRIES = 5
RECEIVES = 5
RETRIES = 1
ABORTS = 1 + RETRIES + 3

SCENARIOS: Mapping[str, Scenario] = {
    "published by an attempt that was killed, then the source goes": Scenario(
        "members",
        scripted_faults=[ScriptedFault("CompleteUpload", Fault.KILL_AFTER)],
        first=interference.first_attempt_then_delete_source,
    ),
    "published by an attempt that was killed, and no later one can look": Scenario(
        "gzip",
        scripted_faults=[
            ScriptedFault("PutObject /results", Fault.KILL_AFTER),
            ScriptedFault("HeadObject /results", Fault.BUSY, TRIES * RECEIVES, during="first attempt"),
        ],
        first=interference.first_attempt,
    ),
    "published, but the other upload of the job cannot be aborted": Scenario(
        "members",
        scripted_faults=[
            ScriptedFault("CreateUpload", Fault.LOST),
            ScriptedFault("CompleteUpload", Fault.KILL_AFTER),
            ScriptedFault("AbortUpload", Fault.BUSY, TRIES),
        ],
    ),
    "published by finish, which was killed; then source and files go, and no upload can be aborted": Scenario(
        "large-gzip",
        scripted_faults=[
            ScriptedFault("CompleteUpload", Fault.KILL_AFTER),
            ScriptedFault("AbortUpload", Fault.BUSY, TRIES * ABORTS),
        ],
        on_request={"CompleteUpload": interference.delete_source_and_plan},
        retries=RETRIES,
    ),
    "killed between an upload and its note, each time": Scenario(
        "members", "failed", scripted_faults=[ScriptedFault("CreateUpload", Fault.KILL_AFTER, RECEIVES)]
    ),
    "loaded by an attempt that was killed, then the source goes": Scenario(
        "append",
        scripted_faults=[ScriptedFault("DynamoDB.UpdateItem", Fault.KILL_BEFORE, during="the end of the load")],
        on_request={r"SQL SELECT set_config\('statement_timeout": interference.mark_load_end},
        first=interference.first_attempt_then_delete_source,
    ),
    "replaced by finish, which was killed; then source and files go": Scenario(
        "large-replace",
        scripted_faults=[ScriptedFault("PutObject /work/jobs", Fault.KILL_BEFORE, during="finish")],
        on_request={"PutObject /work/jobs/.*/report": interference.delete_source_and_plan},
    ),
    "members swapped in by finish, which was killed before it recorded that": Scenario(
        "large-tar-replace",
        scripted_faults=[ScriptedFault("PutObject /work/jobs", Fault.KILL_BEFORE, during="finish")],
    ),
    "members swapped in by an attempt that was killed before it recorded that": Scenario(
        "zip-replace",
        scripted_faults=[ScriptedFault("PutObject /work/jobs", Fault.KILL_BEFORE, during="the end of the load")],
        on_request={r"SQL SELECT set_config\('statement_timeout": interference.mark_load_end},
    ),
    "written by another while its upload is open: all is sent again": Scenario(
        "large-gzip",
        on_request={"UploadPart": interference.overwrite_destination},
        fresh=True,
        last=interference.check_second_round,
    ),
    "killed, and its message never comes back": Scenario(
        "members",
        scripted_faults=[ScriptedFault("CreateUpload", Fault.KILL_AFTER)],
        first=interference.first_attempt,
        queue_silent=True,
    ),
    "handed over by an attempt that was killed, and its message never comes back": Scenario(
        "large-plain",
        scripted_faults=[ScriptedFault("StepFunctions.StartExecution", Fault.KILL_BEFORE)],
        first=interference.first_attempt,
        queue_silent=True,
    ),
    "a good version before a bad one, which is killed, and begun again": Scenario(
        "gzip",
        "failed succeeded",
        scripted_faults=[ScriptedFault("GetObject /drops", Fault.KILL_BEFORE)],
        first=interference.upload_bad_version,
        last=interference.check_good_version,
        fresh=True,
        queue_silent=True,
    ),
    "a large good version before a bad one": Scenario(
        "large-gzip",
        "failed succeeded",
        first=interference.upload_bad_version,
        last=interference.check_good_version,
        fresh=True,
        queue_silent=True,
    ),
}
