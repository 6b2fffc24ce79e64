"""The parts of the function `reconcile`."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache

from penstock.aws.abort_function import AbortFunction
from penstock.aws.commit_queue import SqsCommits
from penstock.aws.jobs_table.after_store import DynamoAfterStore
from penstock.aws.jobs_table.open_jobs import DynamoOpenJobs
from penstock.aws.queue import SqsDeadLetters, SqsEvents
from penstock.aws.s3.client import s3_client
from penstock.aws.s3.own_uploads import S3OwnUploads
from penstock.aws.session import dynamodb_client, lambda_client, sqs_client, stepfunctions_client
from penstock.aws.state_machine import StepFunctionsStateMachine
from penstock.aws.text_files import UriTexts
from penstock.jobs.reconcile.dead_letters import DeadLetters
from penstock.jobs.reconcile.due_actions import ActionCheck
from penstock.jobs.reconcile.due_jobs import Reconciler
from penstock.jobs.reconcile.reconciler import Reconciliation
from penstock.jobs.reconcile.unused_files import UnusedLook
from penstock.jobs.reconcile.uploads import UploadSweep
from penstock.limits import Budget
from penstock.model.job_status import JobStatus
from penstock.settings import Settings
from penstock.wiring.routes import routes_reader


def build_reconciliation(settings: Settings, on_end: Callable[[JobStatus], None]) -> Reconciliation:
    """Build the reconciler for explicit settings. AWS credentials and endpoint come from boto3's own chain."""
    s3, dynamodb = s3_client(Budget.of(settings.memory)), dynamodb_client()
    retention = settings.job_retention_days
    open_jobs = DynamoOpenJobs(dynamodb, settings.jobs_table, retention_days=retention, on_end=on_end)
    abort = AbortFunction(cache(lambda_client), settings.abort_function)
    return Reconciliation(
        open_jobs,
        Reconciler(
            open_jobs,
            SqsEvents(sqs_client(), settings.queue_url),
            StepFunctionsStateMachine(cache(stepfunctions_client), settings.state_machine),
            abort,
            SqsCommits(sqs_client, settings.commit_queue_url),
            time.time,
        ),
        UploadSweep(open_jobs, S3OwnUploads(s3, settings.destination_buckets, settings.upload_roles), time.time),
        DeadLetters(
            open_jobs,
            SqsDeadLetters(sqs_client, settings.dead_letter_queue_url),
            routes_reader(settings, UriTexts(lambda: s3)),
        ),
        UnusedLook(open_jobs, abort.delete_unused, is_on=bool(settings.commit_queue_url)),
        ActionCheck(DynamoAfterStore(dynamodb, settings.jobs_table, retention_days=retention), time.time),
    )
