"""Penstock without its way of doing many small files together: each is a job of its own, as with a batch size of 1."""

from dataclasses import replace
from typing import Any

from penstock.aws.lambda_context import LambdaContext
from penstock.jobs.ingest import no_small_batches, summarise
from penstock.wiring import functions as deployed

ingest = replace(deployed.ingest(), together=no_small_batches)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, object]:
    return summarise(ingest.handle(event, deployed.deadline(context)))
