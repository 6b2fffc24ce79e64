"""The carriers of table routes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.aws.dynamodb_client import records_client
from penstock.aws.s3.reject_log import S3RejectLog
from penstock.aws.s3.small_reader import S3SmallReader
from penstock.aws.session import dynamodb_client, rds_client, secrets_client, session
from penstock.delivery.ports import ObjectStore
from penstock.delivery.row_loader import TableDelivery
from penstock.destinations.dynamodb.bookmark import DynamoBookmark
from penstock.destinations.dynamodb.sink import DynamoRecordSink
from penstock.destinations.postgres.connect import Connect, by_dsn, by_iam, by_secret
from penstock.destinations.postgres.group_sink import PostgresGroupSink
from penstock.destinations.postgres.sink import PostgresSink
from penstock.errors import ConfigurationError
from penstock.formats import WorkbookLimits
from penstock.jobs.ports import JobStore
from penstock.jobs.small_batches import SmallBatchLoader
from penstock.large_jobs.table_steps import TableSteps
from penstock.limits import MIB, Budget
from penstock.model.route import Store
from penstock.settings import Settings
from penstock.tables import Form

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# EphemeralStorage of the function in template.yaml.
TMP_BYTES = 512 * MIB


def postgres_delivery(settings: Settings, objects: ObjectStore, s3: S3Client, budget: Budget) -> TableDelivery:
    """Records into PostgreSQL. Raises ConfigurationError when no database is named."""
    connect = _connector(settings)
    return TableDelivery(
        objects,
        S3RejectLog(s3, settings.work_bucket),
        lambda job: PostgresSink(connect, job.id),
        Form.TEXT,
        budget,
        WorkbookLimits.within(settings.memory, TMP_BYTES),
    )


def postgres_group(settings: Settings, s3: S3Client, jobs: JobStore, budget: Budget) -> SmallBatchLoader:
    """Many small sources into PostgreSQL at once."""
    return SmallBatchLoader(
        S3SmallReader(s3, session().get_credentials(), session().get_config_variable("ca_bundle")),
        lambda: PostgresGroupSink(_connector(settings)),
        jobs,
        Form.TEXT,
        budget,
        settings.margin_seconds,
    )


def dynamodb_delivery(settings: Settings, objects: ObjectStore, s3: S3Client, budget: Budget) -> TableDelivery:
    """Records into DynamoDB."""
    client, jobs = records_client(budget.uploads), dynamodb_client()
    return TableDelivery(
        objects,
        S3RejectLog(s3, settings.work_bucket),
        lambda job: DynamoRecordSink(
            client,
            budget_bytes=budget.buffer_bytes,
            workers=budget.uploads,
            bookmark=DynamoBookmark(jobs, settings.jobs_table, job.id, retention_days=settings.job_retention_days),
        ),
        Form.VALUE,
        budget,
        WorkbookLimits.within(settings.memory, TMP_BYTES),
    )


def _connector(settings: Settings) -> Connect:
    if settings.postgres_secret:
        return by_secret(settings.postgres_secret, secrets_client)
    if settings.postgres_dsn and settings.postgres_iam:
        return by_iam(settings.postgres_dsn, rds_client)
    if settings.postgres_dsn:
        return by_dsn(settings.postgres_dsn)
    raise ConfigurationError(
        "a route goes to PostgreSQL, but the stack knows no database",
        hint="Deploy with PostgresSecretArn (a DSN or the JSON of an RDS secret in Secrets Manager).",
    )


def table_steps(settings: Settings, store: Store, objects: ObjectStore, s3: S3Client, budget: Budget) -> TableSteps:
    """What the steps of the state machine do with tables of one store."""
    rejects = S3RejectLog(s3, settings.work_bucket)
    if store is Store.POSTGRESQL:
        connect = _connector(settings)
        delivery = postgres_delivery(settings, objects, s3, budget)
        return TableSteps(
            delivery, lambda job_id, span: PostgresSink(connect, job_id, span), rejects, Form.TEXT, budget
        )
    client, jobs = records_client(budget.uploads), dynamodb_client()
    delivery = dynamodb_delivery(settings, objects, s3, budget)

    def open_sink(job_id: str, span: int) -> DynamoRecordSink:
        bookmark = DynamoBookmark(jobs, settings.jobs_table, job_id, span, retention_days=settings.job_retention_days)
        return DynamoRecordSink(client, budget_bytes=budget.buffer_bytes, workers=budget.uploads, bookmark=bookmark)

    return TableSteps(delivery, open_sink, rejects, Form.VALUE, budget)
