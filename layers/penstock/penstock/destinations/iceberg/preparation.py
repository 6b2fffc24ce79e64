"""Lets the function `commit` create and change tables, for functions that have no right to, and answers them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from penstock import errors
from penstock.aws.errors import translating
from penstock.destinations.iceberg.ports import IcebergTable, TableEditor
from penstock.errors import (
    AccessDeniedError,
    ConfigurationError,
    PenstockError,
    RetryableError,
    ServiceUnavailableError,
)
from penstock.model.serialization import from_plain, to_plain
from penstock.model.table import Table

# The member of a request, and those of an answer.
PREPARE = "prepare"
STATE, REFUSED, ERROR = "table", "refused", "error"


class InvokedEditor:
    """Implements ``TableEditor``: calls the function, and waits for its answer. ``client`` creates a client of Lambda.

    Also raises ConfigurationError if the stack has no such function.
    """

    def __init__(self, client: Callable[[], Any], function: str) -> None:
        self._client = client
        self._function = function

    def prepare(self, table: Table) -> tuple[IcebergTable, Sequence[tuple[str, str]]]:
        if not self._function:
            raise ConfigurationError(f"{table.name}: the stack has no function that may create or change the table")
        payload = json.dumps({PREPARE: to_plain(table)}).encode()
        with translating(f"lambda:InvokeFunction on {self._function}", missing=ConfigurationError):
            answer = self._client().invoke(FunctionName=self._function, Payload=payload)
        text = answer["Payload"].read().decode()
        if answer.get("FunctionError"):
            raise ServiceUnavailableError(f"{self._function} failed: {text[:500]}", hint="See the log of the function.")
        found = json.loads(text)
        if ERROR in found:
            raise _error_of(found[ERROR])
        refused = tuple((name, reason) for name, reason in found[REFUSED])
        return from_plain(IcebergTable, found[STATE]), refused


def answer(editor: TableEditor, request: Mapping[str, object]) -> dict[str, object]:
    """Create or change the table of a request. An error is returned: Lambda would keep only its text."""
    try:
        state, refused = editor.prepare(from_plain(Table, request))
    except PenstockError as error:
        right = error.right if isinstance(error, AccessDeniedError) else ""
        return {ERROR: {"class": type(error).__name__, "message": error.message, "hint": error.hint, "right": right}}
    return {STATE: to_plain(state), REFUSED: [list(pair) for pair in refused]}


def _error_of(told: Mapping[str, str]) -> PenstockError:
    kind = getattr(errors, told["class"], None)
    if kind is AccessDeniedError:
        denied = AccessDeniedError(told.get("right", ""), hint=told["hint"])
        denied.message = told["message"]
        return denied
    if isinstance(kind, type) and issubclass(kind, PenstockError):
        # An error with more arguments is one of its kind.
        try:
            return kind(told["message"], hint=told["hint"])
        except TypeError:
            kind = ServiceUnavailableError if issubclass(kind, RetryableError) else errors.InvalidTableError
            return kind(told["message"], hint=told["hint"])
    return ServiceUnavailableError(told["message"], hint=told["hint"])
