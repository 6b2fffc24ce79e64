"""`reconcile`: finds jobs that no attempt works on, and retries or ends them."""

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
    """EventBridge's event of a schedule -> counts of the jobs, uploads and dead letters that were processed."""
    done = functions.reconcile()(functions.deadline(context))
    telemetry.reconciled(done, functions.ended_jobs(), logger, metrics)
    return dict(done)
