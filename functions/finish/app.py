"""`finish`: every span is in; publish."""

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
    """``{"job", "attempt", "round"}`` -> ``{"next": "done" | "again" | "yielded"}``.

    Executions of the release before know of no round.
    """
    with telemetry.step(event["job"], logger, metrics):
        return functions.finish()(event["job"], event["attempt"], event.get("round", 0))
