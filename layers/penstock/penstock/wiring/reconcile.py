"""What the function `reconcile` is made of."""

from __future__ import annotations

import time
from functools import cache

from penstock.adapters.functions import AbortFunction
from penstock.adapters.machine import StepFunctionsMachine
from penstock.adapters.open_jobs import DynamoOpenJobs
from penstock.adapters.own_uploads import S3OwnUploads
from penstock.adapters.s3_store import s3_client
from penstock.adapters.session import dynamodb_client, lambda_client, sqs_client, stepfunctions_client
from penstock.adapters.sqs import SqsDeadLetters, SqsEvents
from penstock.adapters.texts import UriTexts
from penstock.limits import Budget
from penstock.reconcile.dead_letters import DeadLetters
from penstock.reconcile.jobs import Reconciler
from penstock.reconcile.run import Reconciliation
from penstock.reconcile.uploads import UploadSweep
from penstock.settings import Settings
from penstock.wiring.routes import routes_reader


def build_reconciliation(settings: Settings) -> Reconciliation:
    """For explicit settings; AWS credentials and endpoint come from boto3's own chain."""
    s3, dynamodb = s3_client(Budget.of(settings.memory)), dynamodb_client()
    retention = settings.job_retention_days
    open_jobs = DynamoOpenJobs(dynamodb, settings.jobs_table, retention_days=retention)
    return Reconciliation(
        open_jobs,
        Reconciler(
            open_jobs,
            SqsEvents(sqs_client(), settings.queue_url),
            StepFunctionsMachine(cache(stepfunctions_client), settings.state_machine),
            AbortFunction(cache(lambda_client), settings.abort_function),
            time.time,
        ),
        UploadSweep(open_jobs, S3OwnUploads(s3, settings.destination_bucket, settings.upload_roles), time.time),
        DeadLetters(
            open_jobs,
            SqsDeadLetters(sqs_client, settings.dead_letter_queue_url),
            routes_reader(settings, UriTexts(lambda: s3)),
        ),
    )
