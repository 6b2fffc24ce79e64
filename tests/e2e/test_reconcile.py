"""The deployed reconciler: started by its schedule, under its own role."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable
from typing import Any

from e2e.conftest import ROUTES
from penstock.aws.jobs_table.execution_store import DynamoExecutionStore
from penstock.aws.jobs_table.job_store import DynamoJobStore
from penstock.jobs.events import notification
from penstock.model.identity import digest
from penstock.model.job import Claim, Job
from penstock.model.job_status import JobState, JobStatus
from penstock.model.object import Source
from penstock.routes import destination_of, parse_routes
from penstock_local.stack import Stack

TEXT = b"".join(b"%d,some text\n" % n for n in range(5_000))
# The schedule runs every minute, and the emulator checks schedules every ten seconds.
WAIT_SECONDS = 240.0
AN_HOUR = 3600.0


def reconcile(stack: Stack) -> dict[str, Any]:
    """Invoke the reconciler without its schedule."""
    name = stack.ingest_function.removesuffix("ingest") + "reconcile"
    answer = stack.client("lambda").invoke(FunctionName=name, Payload=b"{}")
    body: dict[str, Any] = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, body
    return body


def jobs_of(stack: Stack, ago: float = 0.0) -> DynamoJobStore:
    """The job store with a clock that is ``ago`` seconds late."""
    client = stack.client("dynamodb")
    return DynamoJobStore(client, stack.jobs_table, retention_days=90, clock=lambda: time.time() - ago)


def wait_for(stack: Stack, find: Callable[[DynamoJobStore], JobStatus | None], state: JobState) -> JobStatus:
    found = None
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        found = find(jobs_of(stack))
        if found and found.state is state:
            return found
        time.sleep(0.5)
    raise AssertionError(f"{found}, and not {state}")


def unrecorded(stack: Stack, key: str) -> Job:
    """The job of an existing source without a record, a result or a message."""
    s3 = stack.client("s3")
    s3.put_object(Bucket=stack.source_bucket, Key=key, Body=gzip.compress(TEXT))
    uri = f"s3://{stack.source_bucket}/{key}"
    done = wait_for(stack, lambda jobs: next(jobs.search(source=uri), None), JobState.SUCCEEDED)
    assert done.upload
    names = {"source_bucket": stack.source_bucket, "destination_bucket": stack.destination_bucket}
    route = parse_routes(ROUTES, "routes.toml", names).find(stack.source_bucket, key)
    assert route
    job = Job(done.upload, route, destination_of(route, done.upload))
    assert job.id == done.job_id
    for pk in (f"job#{job.id}", "order#" + digest(stack.source_bucket, key, route.name)):
        stack.client("dynamodb").delete_item(TableName=stack.jobs_table, Key={"pk": {"S": pk}})
    s3.delete_object(Bucket=stack.destination_bucket, Key=key.removesuffix(".gz"))
    return job


def test_the_schedule_retries_a_killed_attempt(stack: Stack) -> None:
    job = unrecorded(stack, "killed.txt.gz")
    assert isinstance(jobs_of(stack, AN_HOUR).claim(job, lease=60, seconds=900), Claim)
    done = wait_for(stack, lambda jobs: jobs.get(job.id), JobState.SUCCEEDED)
    assert done.attempts == 2
    body = stack.client("s3").get_object(Bucket=stack.destination_bucket, Key="killed.txt")["Body"].read()
    assert body == TEXT


def test_a_missing_execution_ends_its_job(stack: Stack) -> None:
    job = unrecorded(stack, "gone.txt.gz")
    claim = jobs_of(stack, AN_HOUR).claim(job, lease=60)
    assert isinstance(claim, Claim)
    executions = DynamoExecutionStore(
        stack.client("dynamodb"), stack.jobs_table, retention_days=90, clock=lambda: time.time() - AN_HOUR
    )
    executions.hand_over(claim, job.id, lease=60)
    executions.confirm(job.id, job.id, lease=7 * 86_400.0)
    reconcile(stack)
    failed = wait_for(stack, lambda jobs: jobs.get(job.id), JobState.FAILED)
    assert failed.failure
    assert "no longer exists in Step Functions" in failed.failure.message


def test_an_unclaimed_message_in_the_dead_letter_queue_is_recorded(stack: Stack) -> None:
    job = unrecorded(stack, "dead.txt.gz")
    sqs = stack.client("sqs")
    sqs.send_message(QueueUrl=stack.dead_letter_queue_url, MessageBody=notification(job.source))
    pk = {"pk": {"S": "task#dead-letters"}}
    stack.client("dynamodb").delete_item(TableName=stack.jobs_table, Key=pk)
    reconcile(stack)
    failed = wait_for(stack, lambda jobs: jobs.get(job.id), JobState.FAILED)
    assert failed.upload == job.source
    assert isinstance(failed.upload, Source)


def test_uploads_of_others_are_not_aborted(stack: Stack) -> None:
    s3 = stack.client("s3")
    upload = s3.create_multipart_upload(Bucket=stack.destination_bucket, Key="of-somebody-else")
    stack.client("dynamodb").delete_item(TableName=stack.jobs_table, Key={"pk": {"S": "task#uploads"}})
    reconcile(stack)
    listed = s3.list_multipart_uploads(Bucket=stack.destination_bucket).get("Uploads", ())
    assert upload["UploadId"] in [one["UploadId"] for one in listed]
    s3.abort_multipart_upload(Bucket=stack.destination_bucket, Key="of-somebody-else", UploadId=upload["UploadId"])
