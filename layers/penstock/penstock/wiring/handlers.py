"""Shared by the handlers of the state machine's steps: log, metrics and trace."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.utilities.typing import LambdaContext

from penstock import telemetry
from penstock.wiring.functions import ended_jobs

Handler = Callable[[dict[str, Any], LambdaContext], dict[str, object]]


def step_handler(step: Handler) -> Handler:
    """Wrap a step as a Lambda handler. The event names the job; log lines and metrics carry the name.

    Powertools reads its settings here, when the function's module is imported, not when this module is.
    """
    logger = Logger()
    metrics = Metrics()
    tracer = Tracer(auto_patch=False)

    @wraps(step)
    def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, object]:
        with telemetry.step(event["job"], ended_jobs(), logger, metrics):
            return step(event, context)

    wrapped: Handler = logger.inject_lambda_context(tracer.capture_lambda_handler(metrics.log_metrics(handler)))
    return wrapped
