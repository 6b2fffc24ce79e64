"""`abort`: cleans up a job that cannot be finished."""

from __future__ import annotations

import gc

gc.disable()  # until the cold start is over: see `wiring.functions`

import json
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
    """``{"job", "attempt", "error": {"Error", "Cause"}}`` from the state machine, or EventBridge's event of its end.

    The event covers what a Catch cannot: an execution that was stopped or timed out, and errors that States.ALL does
    not match. After a caught error both arrive, and the second has no effect.

    ``{"unused": job}``: delete the files of a failed job that no commit of its table has.
    """
    if "unused" in event:
        return functions.unused()(event["unused"])
    request = event_of_end(event["detail"]) if "detail" in event else event
    with telemetry.step(request["job"], functions.ended_jobs(), logger, metrics):
        return functions.abort()(request["job"], request["attempt"], request["error"])


def event_of_end(detail: dict[str, Any]) -> dict[str, Any]:
    """Build the input that the state machine would send, from a "Step Functions Execution Status Change" event."""
    status = detail["status"]
    cause = "a user stopped the execution" if status == "ABORTED" else f"the execution ended with status {status}"
    error = {"Error": detail.get("error") or status, "Cause": detail.get("cause") or cause}
    return {**json.loads(detail["input"]), "error": error}
