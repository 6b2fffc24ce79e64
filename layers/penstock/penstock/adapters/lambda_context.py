"""The deadline of a Lambda invocation."""

from __future__ import annotations

from typing import Protocol


class LambdaContext(Protocol):
    """The part of the context object that matters here."""

    def get_remaining_time_in_millis(self) -> int: ...


class LambdaDeadline:
    """Remaining time as Lambda itself counts it."""

    def __init__(self, context: LambdaContext) -> None:
        self._context = context

    def remaining(self) -> float:
        return self._context.get_remaining_time_in_millis() / 1000
