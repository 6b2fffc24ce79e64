"""`check`: tries, without an effect, what the functions of the stack do, for `penstock doctor`."""

from __future__ import annotations

import gc

gc.disable()  # until the cold start is over: see `wiring.functions`

from typing import Any

from aws_lambda_powertools import Logger, Tracer
from aws_lambda_powertools.utilities.typing import LambdaContext

from penstock.wiring import functions

logger = Logger()
tracer = Tracer(auto_patch=False)


@logger.inject_lambda_context
@tracer.capture_lambda_handler
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, object]:
    """``{"connections": n}`` -> ``{"version", "trials": [findings], "database": [findings]}``."""
    return functions.check(int(event.get("connections", 0)))
