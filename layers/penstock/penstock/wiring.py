"""Settings -> concrete adapters. The only place where the core and the adapters meet."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

from penstock.adapters.job_store import DynamoJobStore
from penstock.adapters.lambda_context import LambdaContext, LambdaDeadline
from penstock.adapters.s3_store import S3ObjectStore, s3_client
from penstock.adapters.session import dynamodb_client, sqs_client
from penstock.adapters.sqs import SqsQueue
from penstock.adapters.texts import UriTexts
from penstock.delivery import ObjectCarrier
from penstock.ingest import Ingest
from penstock.jobs import Workshop
from penstock.limits import Budget
from penstock.model import Store
from penstock.ports import Deadline, Texts
from penstock.routes import Routes, parse_routes
from penstock.settings import Settings

# How long a warm function may go on with routes it has read: a changed file takes effect within a minute.
ROUTES_TTL_SECONDS = 60.0


@cache
def ingest() -> Ingest:
    """The ingest use case of this environment, built once per execution environment."""
    return build_ingest(Settings.from_environment())


def deadline(context: LambdaContext) -> Deadline:
    """The deadline of one invocation."""
    return LambdaDeadline(context)


def build_ingest(settings: Settings) -> Ingest:
    """The ingest use case for explicit settings; AWS credentials and endpoint come from boto3's own chain."""
    budget = Budget.of(settings.memory)
    objects = S3ObjectStore(s3_client(budget), budget)
    workshop = Workshop(
        objects=objects,
        jobs=build_job_store(settings),
        carriers={Store.BUCKET: ObjectCarrier(objects, budget)},
        lease=settings.lease_seconds,
        beat_every=settings.beat_seconds,
        margin=settings.margin_seconds,
    )
    return Ingest(workshop, SqsQueue(sqs_client), routes_reader(settings, UriTexts()))


def build_job_store(settings: Settings) -> DynamoJobStore:
    """The jobs table of explicit settings."""
    return DynamoJobStore(dynamodb_client(), settings.jobs_table, retention_days=settings.job_retention_days)


def routes_reader(
    settings: Settings, texts: Texts, clock: Callable[[], float] = time.monotonic
) -> Callable[[], Routes]:
    """A function that answers the routes, read again once they are ROUTES_TTL_SECONDS old."""
    uri = settings.routes_uri or str(packaged_routes())
    buckets = {
        "source_bucket": settings.source_bucket,
        "destination_bucket": settings.destination_bucket,
        "work_bucket": settings.work_bucket,
    }
    known: tuple[float, Routes] | None = None

    def read() -> Routes:
        nonlocal known
        if known is None or clock() - known[0] > ROUTES_TTL_SECONDS:
            known = (clock(), parse_routes(texts.read(uri), uri, buckets))
        return known[1]

    return read


def packaged_routes() -> Path:
    """routes.toml beside the package in the layer; in a checkout, the one at the top."""
    beside = Path(__file__).with_name("routes.toml")
    return beside if beside.exists() else Path(__file__).parents[3] / "routes.toml"
