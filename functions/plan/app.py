"""`plan`: decides the next step of a job in the state machine."""

from __future__ import annotations

import gc

gc.disable()  # until the cold start is over: see `wiring.functions`

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from penstock.wiring import functions
from penstock.wiring.handlers import step_handler


@step_handler
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, object]:
    """``{"job", "attempt"}`` -> ``{"next", "round", "manifest", "concurrency"}``.

    ``next`` is "index", "survey", "work" or "sequence".
    """
    return functions.plan()(event["job"], event["attempt"], functions.deadline(context))
