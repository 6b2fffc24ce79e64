"""How ingest hands jobs to the state machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.adapters.execution_store import DynamoExecutionStore
from penstock.adapters.machine import StepFunctionsMachine
from penstock.adapters.s3_files import S3WorkFiles
from penstock.adapters.session import stepfunctions_client
from penstock.ports import ObjectStore
from penstock.settings import Settings
from penstock.steps.handover import Handover

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_s3 import S3Client


def execution_store(settings: Settings, dynamodb: DynamoDBClient) -> DynamoExecutionStore:
    """The jobs of the jobs table that executions carry."""
    return DynamoExecutionStore(dynamodb, settings.jobs_table, retention_days=settings.job_retention_days)


def handover(settings: Settings, objects: ObjectStore, s3: S3Client, dynamodb: DynamoDBClient) -> Handover | None:
    """The hand-over of this environment; None where there is no state machine."""
    if not settings.state_machine:
        return None
    return Handover(
        objects,
        S3WorkFiles(s3, settings.work_bucket),
        execution_store(settings, dynamodb),
        StepFunctionsMachine(stepfunctions_client, settings.state_machine),
        settings.memory,
        settings.large_bytes,
    )
