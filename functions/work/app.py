"""`work`: loads one span, or one batch of an archive's members."""

from __future__ import annotations

import gc

gc.disable()  # until the cold start is over: see `wiring.functions`

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from penstock.wiring import functions
from penstock.wiring.handlers import step_handler


@step_handler
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, object]:
    """``{"job", "attempt", "span", "round"}`` -> ``{"done"}``; without a span, it loads all spans in order.

    ``{"done": false, "wait": seconds}``: large members of an archive have executions of their own; look again then.
    Executions that the previous release started pass no round.
    """
    round_ = event.get("round", 0)
    return functions.work()(event["job"], event["attempt"], event["span"], functions.deadline(context), round_)
