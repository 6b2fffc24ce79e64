"""`commit`: makes the files of many small jobs visible with one commit for each table."""

from __future__ import annotations

import gc

gc.disable()  # until the cold start is over: see `wiring.functions`

from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.utilities.typing import LambdaContext

from penstock import telemetry
from penstock.wiring import functions

logger = Logger()
metrics = Metrics()
tracer = Tracer(auto_patch=False)


@logger.inject_lambda_context
@tracer.capture_lambda_handler
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, object]:
    """A batch of the commit queue -> the messages that must be delivered again.

    ``{"prepare": table}`` from a function that may not change tables: create the table of a route, or add columns.
    """
    if "prepare" in event:
        return functions.prepare(event["prepare"])
    done = functions.commit()(event, functions.deadline(context))
    telemetry.committed(done, functions.ended_jobs(), logger, metrics)
    return done.response
