"""The use cases of `penstock.operations` on a stack, for the commands."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cache, cached_property, partial

from penstock.aws.abort_function import AbortFunction
from penstock.aws.access import Access
from penstock.aws.cli_errors import RUN_AGAIN, cli_errors
from penstock.aws.jobs_table.execution_store import DynamoExecutionStore
from penstock.aws.jobs_table.job_records import DynamoJobRecords
from penstock.aws.jobs_table.job_store import DynamoJobStore
from penstock.aws.jobs_table.job_times import DynamoJobTimes
from penstock.aws.queue import SqsEvents
from penstock.aws.s3.head import read_head
from penstock.aws.s3.reject_log import S3RejectLog
from penstock.aws.s3.work_files import S3WorkFiles
from penstock.aws.stack_outputs import read_stack_outputs
from penstock.aws.state_machine import StepFunctionsStateMachine
from penstock.delivery.member_jobs import MemberResult
from penstock.errors import ConfigurationError, SourceGoneError, UnknownJobError
from penstock.explain import costs
from penstock.explain.prices import Prices
from penstock.large_jobs.job_files import FOLDER, REPORT
from penstock.model.job_status import JobState, JobStatus
from penstock.model.object import Source
from penstock.model.record import Reject
from penstock.model.s3_uri import split
from penstock.operations.archive_members import ArchiveMembers
from penstock.operations.archive_tree import ArchiveTree, ArchiveTreeReader, LargeMember
from penstock.operations.awaiting import JobWaiter, source_of
from penstock.operations.finding import find, newest
from penstock.operations.history import JobHistory, Period
from penstock.operations.job_report import JobReport, JobReportBuilder, TimelineBar, timeline
from penstock.operations.member_rejects import JobRejects
from penstock.operations.redriving import Redriver
from penstock.operations.summary import Summary, Totals, summarise
from penstock.operations.watching import JobWatcher, follow

__all__ = [
    "Access",
    "ArchiveTree",
    "JobReport",
    "LargeMember",
    "MemberResult",
    "Operations",
    "Period",
    "StackNames",
    "Summary",
    "TimelineBar",
    "Totals",
    "stack_names",
    "timeline",
]

# The template's value. Only a redrive writes it, and ingest corrects it when it claims the job.
RETENTION_DAYS = 90


@dataclass(frozen=True, slots=True)
class StackNames:
    """The names of a stack's resources for jobs."""

    jobs_table: str
    work_bucket: str
    queue_url: str
    state_machine: str = ""
    abort_function: str = ""


def stack_names(access: Access, stack: str) -> StackNames:
    """Read the outputs of a CloudFormation stack. Raises ConfigurationError if it is not a stack of Penstock."""
    with cli_errors(f"stack {stack}"):
        outputs = read_stack_outputs(access.client("cloudformation"), stack).outputs
    try:
        # The last two are only needed for large jobs, and older stacks lack the abort function.
        return StackNames(
            outputs["JobsTableName"],
            outputs["WorkBucketName"],
            outputs["QueueUrl"],
            outputs.get("StateMachineArn", ""),
            outputs.get("AbortFunctionName", ""),
        )
    except KeyError as error:
        raise ConfigurationError(f"stack {stack} has no output {error}: it is not a stack of Penstock") from error


class Operations:
    """The jobs of one stack. Every method raises AccessDeniedError, ServiceUnavailableError and ConfigurationError."""

    def __init__(self, access: Access, names: StackNames) -> None:
        self._access = access
        self._names = names

    @cached_property
    def _jobs(self) -> DynamoJobStore:
        return DynamoJobStore(self._access.client("dynamodb"), self._names.jobs_table, retention_days=RETENTION_DAYS)

    @cached_property
    def _times(self) -> DynamoJobTimes:
        return DynamoJobTimes(self._access.client("dynamodb"), self._names.jobs_table)

    @cached_property
    def _executions(self) -> DynamoExecutionStore:
        client = self._access.client("dynamodb")
        return DynamoExecutionStore(client, self._names.jobs_table, retention_days=RETENTION_DAYS)

    @cached_property
    def _rejects(self) -> S3RejectLog:
        return S3RejectLog(self._access.client("s3"), self._names.work_bucket)

    @cached_property
    def _files(self) -> S3WorkFiles:
        return S3WorkFiles(self._access.client("s3"), self._names.work_bucket)

    @cached_property
    def _redriver(self) -> Redriver:
        access, names = self._access, self._names
        return Redriver(
            self._jobs,
            SqsEvents(access.client("sqs"), names.queue_url),
            StepFunctionsStateMachine(cache(lambda: access.client("stepfunctions")), names.state_machine),
            AbortFunction(cache(lambda: access.client("lambda")), names.abort_function, wait=True),
        )

    def newest(self, *, limit: int, states: Collection[JobState] = ()) -> list[JobStatus]:
        """`finding.newest`."""
        with cli_errors("the jobs table"):
            return newest(self._jobs, limit=limit, states=states)

    def history(
        self, period: Period, *, states: Collection[JobState] = (), routes: Collection[str] = ()
    ) -> Iterator[JobStatus]:
        """`history.JobHistory`."""
        client, table = self._access.client("dynamodb"), self._names.jobs_table
        with cli_errors("the jobs table"):
            yield from JobHistory(self._times, DynamoJobRecords(client, table))(period, states=states, routes=routes)

    def summary(self, period: Period, prices: Prices, *, routes: Collection[str] = ()) -> Summary:
        """`summary.summarise`, of all jobs of a period."""
        return summarise(self.history(period, routes=routes), period, partial(costs.of_job, prices=prices))

    def find(self, name: str) -> JobStatus:
        """`finding.find`."""
        with cli_errors("the jobs table"):
            return find(self._jobs, name)

    def follow(self, job_id: str, *, interval: float) -> Iterator[JobStatus]:
        """`watching.follow`."""
        with cli_errors("the jobs table"):
            yield from follow(self._jobs, job_id, interval=interval)

    def await_job(self, uri: str, *, interval: float, on_wait: Callable[[], None]) -> JobStatus:
        """`awaiting.JobWaiter`: wait for the job of the current version of an ``s3://`` URI.

        Raises SourceGoneError if there is no object, UnknownJobError if no job appears.
        """
        bucket, key = split(uri)
        with cli_errors(f"s3:GetObject on {uri}", again=RUN_AGAIN):
            head = read_head(self._access.client("s3"), bucket, key)
        if head is None:
            raise SourceGoneError(f"{uri} does not exist", hint="Check bucket and key: aws s3 ls s3://BUCKET/PREFIX")
        with cli_errors("the jobs table", again=RUN_AGAIN):
            source = source_of(bucket, key, head)
            return JobWaiter(self._jobs, self._times, source)(interval=interval, on_wait=on_wait)

    def recent(self, *, within: float) -> list[str]:
        """Return the ids of unfinished jobs, and of those that ended within so many seconds, the latest first."""
        with cli_errors("the jobs table"):
            ended = self._times.ended_since(time.time() - within)
            return [*self._times.unfinished(), *sorted(ended, key=lambda job_id: ended[job_id], reverse=True)]

    def watch(self, *, rescan: float) -> Iterator[list[JobStatus]]:
        """`watching.JobWatcher`: yield the jobs at each look."""
        watched = JobWatcher(self._jobs, self._times, rescan)
        while True:
            with cli_errors("the jobs table"):
                found = watched.look()
            yield found

    def rejects(self, status: JobStatus, member: str = "") -> Iterator[Reject]:
        """`member_rejects.JobRejects`."""
        with cli_errors("the work bucket"):
            yield from JobRejects(self._files, self._rejects)(status, member)

    def redrive(self, status: JobStatus, *, dry_run: bool = False) -> Source:
        """`redriving.Redriver`; a dry run only checks whether the redrive is allowed."""
        with cli_errors("the queue"):
            redriver = self._redriver
            return redriver.check(status) if dry_run else redriver(status)

    def job_report(self, status: JobStatus, *, sample: int) -> JobReport:
        """`job_report.JobReportBuilder`."""
        with cli_errors("the work bucket"):
            builder = JobReportBuilder(self._files, self._jobs, self._executions, self._rejects)
            return builder(status, sample=sample)

    def tree(self, status: JobStatus) -> ArchiveTree:
        """`archive_tree.ArchiveTreeReader`."""
        with cli_errors("the work bucket"):
            return ArchiveTreeReader(self._files, self._jobs, self._executions)(status)

    def member(self, status: JobStatus, wanted: str) -> MemberResult:
        """`ArchiveMembers.find`. Raises UnknownJobError for a job that is no archive."""
        if not status.is_archive:
            raise UnknownJobError(f"job {status.job_id} takes no archive apart: it has no members")
        with cli_errors("the work bucket"):
            return ArchiveMembers(self._files, status).find(wanted)

    def record(self, job_id: str) -> JobStatus | None:
        """Return the record of a job; None if it has none."""
        with cli_errors("the jobs table"):
            return self._jobs.get(job_id)

    def members_listed_at(self, status: JobStatus) -> str:
        """`ArchiveMembers.listed_at`."""
        with cli_errors("the work bucket"):
            return ArchiveMembers(self._files, status).listed_at

    def rejects_folder(self, job_id: str) -> str:
        """Return the URI of the folder for a job's rejects."""
        return f"s3://{self._names.work_bucket}/{FOLDER}/{job_id}/rejects/"

    def report_file(self, status: JobStatus) -> str:
        """Return the URI of the state machine's report; empty for a job without one."""
        has_report = status.execution and status.state is JobState.SUCCEEDED
        return f"s3://{self._names.work_bucket}/{FOLDER}/{status.job_id}/{REPORT}" if has_report else ""
