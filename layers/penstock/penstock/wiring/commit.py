"""The function `commit`, built from the settings of this environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial

from penstock.aws.jobs_table.commit_store import DynamoCommitStore
from penstock.aws.queue import SqsQueue
from penstock.aws.s3.client import s3_client
from penstock.aws.session import dynamodb_client, sqs_client
from penstock.destinations.iceberg.preparation import answer
from penstock.jobs.commit.committing import JobCommits
from penstock.jobs.commit.messages import CommitMessages
from penstock.limits import Budget
from penstock.model.job_status import JobStatus
from penstock.settings import Settings
from penstock.wiring.iceberg import committer_of_stack, editor_of_stack, job_files

# A function may run for 300 s (template.yaml), and its last request for some more.
LEASE_SECONDS = 360.0


def build_commits(settings: Settings, on_end: Callable[[JobStatus], None]) -> CommitMessages:
    """Build the function for explicit settings. AWS credentials and endpoint come from botocore's own chain."""
    s3 = s3_client(Budget.of(settings.memory))
    store = DynamoCommitStore(
        dynamodb_client(), settings.jobs_table, retention_days=settings.job_retention_days, on_end=on_end
    )
    commits = JobCommits(
        store,
        job_files(settings, s3),
        cache(partial(committer_of_stack, settings, lambda: s3)),  # once, as it creates clients
        LEASE_SECONDS,
        settings.margin_seconds,
    )
    return CommitMessages(commits, SqsQueue(sqs_client))


def prepare_table(settings: Settings, request: Mapping[str, object]) -> dict[str, object]:
    """Create or change the table of a request from another function."""
    s3 = s3_client(Budget.of(settings.memory))
    return answer(editor_of_stack(settings, lambda: s3), request)
