"""What seeds once found, and more of its kind, written down: seeds change their meaning when the suite changes.

What a job has delivered is a success, whatever becomes of those who did it; and nothing of it is left open.
"""

from __future__ import annotations

from collections.abc import Mapping

from faults import interference
from faults.scenario_run import Path
from faults.schedule import Fault
from faults.script import Strike

# botocore asks five times, the queue delivers a message five times. EventBridge has `abort` done three times, after the
# machine has: 21 times by its definition, which takes long to walk.
TRIES = 5
RECEIVES = 5
RETRIES = 1
ABORTS = 1 + RETRIES + 3

SCENARIOS: Mapping[str, Path] = {
    "published by an attempt that was killed, then the source goes": Path(
        "members", strikes=[Strike("CompleteUpload", Fault.KILL_AFTER)], first=interference.then_without_source
    ),
    "published by an attempt that was killed, and no later one can look": Path(
        "gzip",
        strikes=[
            Strike("PutObject /results", Fault.KILL_AFTER),
            Strike("HeadObject /results", Fault.BUSY, TRIES * RECEIVES, during="first attempt"),
        ],
        first=interference.first_attempt,
    ),
    "published, but the other upload of the job cannot be aborted": Path(
        "members",
        strikes=[
            Strike("CreateUpload", Fault.LOST),
            Strike("CompleteUpload", Fault.KILL_AFTER),
            Strike("AbortUpload", Fault.BUSY, TRIES),
        ],
    ),
    "published by finish, which was killed; then source and files go, and no upload can be aborted": Path(
        "large-gzip",
        strikes=[
            Strike("CompleteUpload", Fault.KILL_AFTER),
            Strike("AbortUpload", Fault.BUSY, TRIES * ABORTS),
        ],
        asides={"CompleteUpload": interference.without_both},
        retries=RETRIES,
    ),
    "killed between an upload and its note, each time": Path(
        "members", "failed", strikes=[Strike("CreateUpload", Fault.KILL_AFTER, RECEIVES)]
    ),
    "loaded by an attempt that was killed, then the source goes": Path(
        "append",
        strikes=[Strike("DynamoDB.UpdateItem", Fault.KILL_BEFORE, during="the end of the load")],
        asides={r"SQL SELECT set_config\('statement_timeout": interference.ending},
        first=interference.then_without_source,
    ),
    "replaced by finish, which was killed; then source and files go": Path(
        "large-replace",
        strikes=[Strike("PutObject /work/jobs", Fault.KILL_BEFORE, during="finish")],
        asides={"PutObject /work/jobs/.*/report": interference.without_both},
    ),
    "written by another while its upload is open: all is sent again": Path(
        "large-gzip",
        asides={"UploadPart": interference.written_by_another},
        fresh=True,
        last=interference.sent_once_more,
    ),
    "killed, and its message never comes back": Path(
        "members", strikes=[Strike("CreateUpload", Fault.KILL_AFTER)], first=interference.first_attempt, alone=True
    ),
    "handed over by an attempt that was killed, and its message never comes back": Path(
        "large-plain",
        strikes=[Strike("StepFunctions.StartExecution", Fault.KILL_BEFORE)],
        first=interference.first_attempt,
        alone=True,
    ),
    "a good version before a bad one, which is killed, and begun again": Path(
        "gzip",
        "failed succeeded",
        strikes=[Strike("GetObject /drops", Fault.KILL_BEFORE)],
        first=interference.bad_version_comes,
        last=interference.good_version_stands,
        fresh=True,
        alone=True,
    ),
    "a large good version before a bad one": Path(
        "large-gzip",
        "failed succeeded",
        first=interference.bad_version_comes,
        last=interference.good_version_stands,
        fresh=True,
        alone=True,
    ),
}
