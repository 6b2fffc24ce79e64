"""Deliveries of rows: parsers, checks and a destination that accepts rows."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING

from penstock.aws.dynamodb_client import records_client
from penstock.aws.s3.reject_log import S3RejectLog
from penstock.aws.s3.small_reader import S3SmallReader
from penstock.aws.session import dynamodb_client, rds_client, secrets_client, session
from penstock.delivery.ports import ObjectStore
from penstock.delivery.table import TableDelivery
from penstock.destinations import destination_named, open_tables
from penstock.destinations.environment import Environment
from penstock.destinations.ports import TableStore
from penstock.formats import ReadLimits
from penstock.jobs.ports import JobStore
from penstock.jobs.small_batches import SmallBatchLoader
from penstock.large_jobs.table_steps import TableSteps
from penstock.limits import MIB, Budget
from penstock.model.table import Form
from penstock.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from penstock.destinations.iceberg.ports import IcebergAccess

# The EphemeralStorage of the function in template.yaml.
TMP_BYTES = 512 * MIB

_NO_DATABASE = (
    "a route loads into PostgreSQL, but the stack has no database",
    "Deploy with PostgresSecretArn (a DSN or the JSON of an RDS secret in Secrets Manager).",
)


NO_CATALOG = (
    "a route loads an Iceberg table, but the stack has no catalog",
    "Deploy with IcebergCatalog: glue, the ARN of an S3 table bucket, or the URI of a REST catalog.",
)


def table_delivery(settings: Settings, store: str, objects: ObjectStore, s3: S3Client, budget: Budget) -> TableDelivery:
    """Build the delivery of sources into a destination. Raises ConfigurationError if the stack lacks a setting."""
    tables = tables_of_stack(settings, store, budget, s3)
    return TableDelivery(
        objects,
        S3RejectLog(s3, settings.work_bucket),
        lambda job: tables.open_sink(job.id),
        form_of(store),
        budget,
        ReadLimits.within(settings.memory, TMP_BYTES),
    )


def small_batches(settings: Settings, s3: S3Client, jobs: JobStore, budget: Budget) -> SmallBatchLoader:
    """Build the loader of many small sources at once, for destinations with shared commits."""
    return SmallBatchLoader(
        S3SmallReader(s3, session().get_credentials(), session().get_config_variable("ca_bundle")),
        lambda store: tables_of_stack(settings, store, budget, s3).open_group(),
        jobs,
        budget,
        settings.margin_seconds,
    )


def table_steps(settings: Settings, store: str, objects: ObjectStore, s3: S3Client, budget: Budget) -> TableSteps:
    """Build the table part of the state machine's steps, for one destination."""
    tables = tables_of_stack(settings, store, budget, s3)
    delivery = table_delivery(settings, store, objects, s3, budget)
    rejects = S3RejectLog(s3, settings.work_bucket)
    return TableSteps(delivery, tables.open_sink, rejects, form_of(store), budget, tables.open_swap)


def _iceberg(settings: Settings, s3: S3Client) -> IcebergAccess:
    from penstock.wiring.iceberg import access_of_stack  # noqa: PLC0415  # only routes to Iceberg need it

    return access_of_stack(settings, lambda: s3)


def form_of(store: str) -> Form:
    """Return the form of a destination's rows."""
    return destination_named(store).row_form


def tables_of_stack(settings: Settings, store: str, budget: Budget, s3: S3Client) -> TableStore:
    """Open a destination with the settings of the stack."""
    environment = Environment(
        budget,
        records_client,
        dsn=settings.postgres_dsn,
        secret=settings.postgres_secret,
        iam=settings.postgres_iam,
        secrets_client=secrets_client,
        rds_client=rds_client,
        jobs_client=dynamodb_client,
        jobs_table=settings.jobs_table,
        retention_days=settings.job_retention_days,
        s3_client=lambda: s3,
        work_bucket=settings.work_bucket,
        no_database=_NO_DATABASE,
        # Once: to create a client of the catalog takes as much CPU as five requests.
        iceberg=cache(partial(_iceberg, settings, s3)) if settings.iceberg_catalog else None,
        no_catalog=NO_CATALOG,
    )
    return open_tables(destination_named(store), environment)
