"""`ingest`: processes the events of new S3 objects."""

from __future__ import annotations

import gc

gc.disable()  # until the cold start is over: see `wiring.functions`

from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.utilities.typing import LambdaContext

from penstock import telemetry
from penstock.jobs.ingest import summarise
from penstock.wiring import functions

logger = Logger()
metrics = Metrics()
tracer = Tracer(auto_patch=False)


@logger.inject_lambda_context
@tracer.capture_lambda_handler
@metrics.log_metrics
def handler(event: Any, context: LambdaContext) -> dict[str, object]:
    """An S3 notification, an SQS batch of S3 notifications or an EventBridge event -> failed batch items, or jobs."""
    report = functions.ingest().handle(event, functions.deadline(context))
    telemetry.report(report, logger, metrics)
    return summarise(report)
