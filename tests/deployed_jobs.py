"""A deployed stack as the command sees it: its outputs, jobs table, work bucket and queue, on moto."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import boto3

from penstock.aws.jobs_table.execution_store import DynamoExecutionStore
from penstock.aws.jobs_table.job_store import DynamoJobStore
from penstock.aws.jobs_table.time_index import table_schema
from penstock.aws.s3.reject_log import S3RejectLog
from penstock.aws.s3.work_files import S3WorkFiles
from penstock.large_jobs.job_files import REPORT, JobFolder
from penstock.model.job import Claim, Failure, Job, Progress, Receipt
from penstock.model.job_status import JobState
from penstock.model.object import Source, Target
from penstock.model.record import RecordPosition, Reject
from penstock.model.route import MEMBERS, Route, TableTarget
from penstock.model.serialization import to_plain
from penstock.model.span import SpanReceipt

STACK = "penstock-dev"
BEGAN = 1_795_249_800.0
ROUTE = Route("orders", ("*",), "postgresql:orders")
FAILURE = Failure("InvalidTableError", "table orders does not exist", "Create the table.")
TEMPLATE = {
    "Resources": {
        "Jobs": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": table_schema(),
        },
        "Work": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "the-work"}},
        "Queue": {"Type": "AWS::SQS::Queue"},
    },
    "Outputs": {
        "JobsTableName": {"Value": {"Ref": "Jobs"}},
        "WorkBucketName": {"Value": {"Ref": "Work"}},
        "QueueUrl": {"Value": {"Ref": "Queue"}},
    },
}


class DeployedJobs:
    """A stack, with methods that change jobs as its functions do. ``endpoint`` is that of a moto server."""

    def __init__(self, endpoint: str | None = None, name: str = STACK) -> None:
        self.now = BEGAN
        self._endpoint = endpoint
        formation = self.client("cloudformation")
        formation.create_stack(StackName=name, TemplateBody=json.dumps(TEMPLATE))
        outputs = formation.describe_stacks(StackName=name)["Stacks"][0]["Outputs"]
        self.names = {output["OutputKey"]: output["OutputValue"] for output in outputs}
        dynamodb, table = self.client("dynamodb"), self.names["JobsTableName"]
        self.jobs = DynamoJobStore(dynamodb, table, retention_days=90, clock=lambda: self.now)
        self.executions = DynamoExecutionStore(dynamodb, table, retention_days=90, clock=lambda: self.now)
        self.rejects = S3RejectLog(self.client("s3"), self.names["WorkBucketName"])
        self.files = S3WorkFiles(self.client("s3"), self.names["WorkBucketName"])

    def client(self, service: str) -> Any:
        return boto3.client(service, endpoint_url=self._endpoint)  # type: ignore[call-overload]  # any

    def begin(self, key: str = "in/a.csv.gz", version: str = "v1") -> tuple[Job, Claim]:
        self.now += 1
        source = Source("drops", key, 1000, "e1", version, "0A00")
        job = Job(source, ROUTE, Target("lake", key))
        claim = self.jobs.claim(job, lease=60)
        assert isinstance(claim, Claim)
        return job, claim

    def fail(self, key: str = "in/a.csv.gz", version: str = "v1") -> Job:
        job, claim = self.begin(key, version)
        self.jobs.close(claim, JobState.FAILED, failure=FAILURE)
        return job

    def begin_archive(self, key: str) -> tuple[Job, Claim]:
        """A running job that takes an archive apart."""
        self.now += 1
        job = Job(
            Source("drops", key, 1000, "e1", "v1", "0A00"),
            Route("zips", ("*.zip",), "", archive="members"),
            TableTarget(MEMBERS, ""),
        )
        claim = self.jobs.claim(job, lease=60)
        assert isinstance(claim, Claim)
        return job, claim

    def fail_archive(self, key: str) -> Job:
        """A failed job that takes an archive apart."""
        job, claim = self.begin_archive(key)
        self.jobs.close(claim, JobState.FAILED, failure=FAILURE)
        return job

    def succeed(self, key: str = "in/a.csv.gz", **changes: Any) -> Job:
        job, claim = self.begin(key)
        self.now += 4
        receipt = Receipt(bytes_in=1000, bytes_out=8000, crc32=0xDEADBEEF, parts=2, codec="gzip")
        self.jobs.close(claim, JobState.SUCCEEDED, receipt=replace(receipt, **changes))
        return job

    def deliver(self, key: str = "in/large.csv.gz") -> Job:
        """A job with an execution that has delivered two of three spans."""
        job, claim = self.begin(key)
        self.executions.hand_over(claim, job.id, lease=60)
        self.executions.confirm(job.id, job.id, lease=60)
        self.executions.record_totals(job.id, job.id, spans=3, size=1000)
        for span in (1, 3):
            self.now += 2
            receipt = SpanReceipt(span, 250, 4_000_000, 7, 20_000, 1, 5, seconds=1.5, began=self.now - 1.5)
            self.executions.record_receipt(job.id, job.id, receipt)
        return job

    def finish(self, job: Job) -> None:
        """Finish a job that `deliver` started."""
        self.now += 2
        self.executions.record_receipt(
            job.id, job.id, SpanReceipt(2, 500, 4_000_000, 7, 20_000, seconds=2.0, began=self.now)
        )
        receipt = Receipt(1000, 12_000_000, 7, 15, "gzip", rows=60_000, rejects=2)
        receipts = self.executions.receipts(job.id, job.id, (1, 2, 3))
        report = {
            "execution": job.id,
            "receipt": to_plain(receipt),
            "spans": [to_plain(receipts[span]) for span in (1, 2, 3)],
        }
        JobFolder(self.files, job.id).put(REPORT, report)
        self.executions.end(job.id, job.id, JobState.SUCCEEDED, receipt=receipt)

    def reject(self, job: Job, count: int, *, raw: str = "1,not a date", name: str = "00001-000000") -> None:
        """Write some rejects of a job."""
        kept = [Reject(RecordPosition(n, n * 10, raw), "not a date", "born", 1) for n in range(1, count + 1)]
        self.rejects.write(job.id, name, kept)

    def progress(self, claim: Claim, share: float) -> None:
        """Record that this share of a source was read."""
        self.now += 1
        self.jobs.heartbeat(claim, Progress(int(1000 * share), int(8_000_000 * share)), lease=60)

    @property
    def messages(self) -> list[str]:
        """Receive the messages of the queue."""
        found = self.client("sqs").receive_message(QueueUrl=self.names["QueueUrl"], MaxNumberOfMessages=10)
        return [message["Body"] for message in found.get("Messages", [])]
