"""`finish`: publishes the result once every span is delivered."""

from __future__ import annotations

import gc

gc.disable()  # until the cold start is over: see `wiring.functions`

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from penstock.wiring import functions
from penstock.wiring.handlers import step_handler


@step_handler
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, object]:
    """``{"job", "attempt", "round"}`` -> ``{"next": "done" | "again" | "yielded" | "children"}``.

    Executions that the previous release started pass no round.
    """
    return functions.finish()(event["job"], event["attempt"], event.get("round", 0))
