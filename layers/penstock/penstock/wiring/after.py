"""The parts of the function `after`."""

from __future__ import annotations

import time
import uuid

from penstock.aws.jobs_table.after_store import DynamoAfterStore
from penstock.aws.s3.client import s3_client
from penstock.aws.s3.source_objects import S3SourceObjects
from penstock.aws.session import dynamodb_client
from penstock.errors import ConfigurationError
from penstock.jobs.after.actor import AfterActor
from penstock.jobs.after.records import AfterRecords
from penstock.limits import Budget
from penstock.model.after import AfterLevel
from penstock.settings import Settings


def build_after(settings: Settings) -> AfterRecords:
    """Build the function for explicit settings. AWS credentials and endpoint come from boto3's own chain."""
    store = DynamoAfterStore(
        dynamodb_client(), settings.jobs_table, retention_days=settings.job_retention_days, clock=time.time
    )
    client = s3_client(Budget.of(settings.memory))
    size = settings.copy_bytes
    objects = S3SourceObjects(client, most_copied=size, part=size) if size else S3SourceObjects(client)
    level = level_of(settings)
    return AfterRecords(AfterActor(store, objects, level, time.time, lambda: uuid.uuid4().hex))


def level_of(settings: Settings) -> AfterLevel:
    """Return what the stack allows. Raises ConfigurationError for a value that AfterActions cannot have."""
    try:
        return AfterLevel(settings.after_actions)
    except ValueError as error:
        raise ConfigurationError(
            f"environment variable PENSTOCK_AFTER_ACTIONS must be one of {', '.join(AfterLevel)}, "
            f"not {settings.after_actions!r}"
        ) from error
