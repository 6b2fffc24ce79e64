"""The deadline of a Lambda invocation."""

from __future__ import annotations

from typing import Protocol


class LambdaContext(Protocol):
    """The part of the context object that matters here."""

    def get_remaining_time_in_millis(self) -> int: ...


class LambdaDeadline:
    """Remaining time as Lambda itself counts it, or less: ``limit`` seconds from now where that is above 0."""

    def __init__(self, context: LambdaContext, limit: float = 0.0) -> None:
        self._context = context
        self._kept_back = max(0.0, self._actual() - limit) if limit else 0.0

    def remaining(self) -> float:
        return self._actual() - self._kept_back

    def _actual(self) -> float:
        return self._context.get_remaining_time_in_millis() / 1000
