"""The deadline of a Lambda invocation."""

from __future__ import annotations

from typing import Protocol


class LambdaContext(Protocol):
    """The part of the context object that is used here."""

    def get_remaining_time_in_millis(self) -> int: ...


class LambdaDeadline:
    """The remaining time of the invocation, or less: at most ``limit`` seconds from now if ``limit`` is above 0."""

    def __init__(self, context: LambdaContext, limit: float = 0.0) -> None:
        self._context = context
        self._reserved = max(0.0, self._actual() - limit) if limit else 0.0

    def remaining(self) -> float:
        return self._actual() - self._reserved

    def _actual(self) -> float:
        return self._context.get_remaining_time_in_millis() / 1000
