"""How ingest hands jobs to the state machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from penstock.aws.jobs_table.execution_store import DynamoExecutionStore
from penstock.aws.s3.work_files import S3WorkFiles
from penstock.aws.session import stepfunctions_client
from penstock.aws.state_machine import StepFunctionsStateMachine
from penstock.delivery.ports import ObjectStore
from penstock.large_jobs.handover import Handover
from penstock.model.job_status import JobStatus
from penstock.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_s3 import S3Client


def execution_store(
    settings: Settings, dynamodb: DynamoDBClient, on_end: Callable[[JobStatus], None] = lambda _: None
) -> DynamoExecutionStore:
    """Open the part of the jobs table for jobs of executions."""
    retention = settings.job_retention_days
    return DynamoExecutionStore(dynamodb, settings.jobs_table, retention_days=retention, on_end=on_end)


def handover(settings: Settings, objects: ObjectStore, s3: S3Client, dynamodb: DynamoDBClient) -> Handover | None:
    """Build the handover of this environment; None if there is no state machine."""
    if not settings.state_machine:
        return None
    return Handover(
        objects,
        S3WorkFiles(s3, settings.work_bucket),
        execution_store(settings, dynamodb),
        StepFunctionsStateMachine(stepfunctions_client, settings.state_machine),
        settings.memory,
        settings.large_bytes,
    )
