"""`index`: reads a source, or one piece of it, and records where a span can start."""

from __future__ import annotations

import gc

gc.disable()  # until the cold start is over: see `wiring.functions`

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from penstock.wiring import functions
from penstock.wiring.handlers import step_handler


@step_handler
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, object]:
    """``{"job", "attempt"}`` -> ``{"done": bool}``; with the ``"piece"`` of a survey, only that piece is read."""
    return functions.index()(event["job"], event["attempt"], event.get("piece"), functions.deadline(context))
