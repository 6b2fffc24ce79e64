"""`announce`: tells EventBridge, and a topic, of the jobs that ended."""

from __future__ import annotations

import gc

gc.disable()  # until the cold start is over: see `wiring.functions`

from typing import Any

from aws_lambda_powertools import Logger, Tracer
from aws_lambda_powertools.utilities.typing import LambdaContext

from penstock import telemetry
from penstock.wiring import functions

logger = Logger()
tracer = Tracer(auto_patch=False)


@logger.inject_lambda_context
@tracer.capture_lambda_handler
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, object]:
    """A batch of the jobs table's stream -> the writes whose jobs were not announced, for Lambda to retry.

    https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
    """
    done = functions.announce()(event)
    telemetry.announced(done, logger)
    return {"batchItemFailures": [{"itemIdentifier": number} for number in done.failed]}
