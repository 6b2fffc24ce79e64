"""A function that may not change tables asks the function `commit`: what it is told, also of errors."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from penstock.destinations.iceberg.ports import IcebergTable
from penstock.destinations.iceberg.preparation import InvokedEditor, answer
from penstock.errors import (
    AccessDeniedError,
    ConfigurationError,
    DestinationMissingError,
    InvalidTableError,
    PenstockError,
    ServiceUnavailableError,
)
from penstock.model.column import Column, ColumnType
from penstock.model.table import Table
from penstock.testing.commits import MemoryCatalog

TABLE = Table("sales.orders", columns=(Column("id", ColumnType.INTEGER),), create=True)


@dataclass
class Failing:
    """An editor that raises an error."""

    error: PenstockError

    def prepare(self, table: Table) -> tuple[IcebergTable, Sequence[tuple[str, str]]]:
        raise self.error


@dataclass
class Lambda:
    """A client of Lambda that runs the function. https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html"""

    handler: Callable[[Any], object]
    invoked: list[str] = field(default_factory=list)

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803  # as botocore has it
        self.invoked.append(FunctionName)
        try:
            told: object = self.handler(json.loads(Payload)["prepare"])
        except ZeroDivisionError as error:
            failed = json.dumps({"errorType": type(error).__name__, "errorMessage": str(error)})
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(failed.encode())}
        return {"Payload": io.BytesIO(json.dumps(told).encode())}


def asked(editor: Any) -> InvokedEditor:
    return InvokedEditor(lambda: Lambda(lambda request: answer(editor, request)), "commit")


def test_a_table_is_created_and_its_state_is_told() -> None:
    catalog = MemoryCatalog()
    assert asked(catalog).prepare(TABLE) == catalog.prepare(TABLE)
    assert catalog.files("sales.orders") == []


@pytest.mark.parametrize(
    "error",
    [
        InvalidTableError("column b cannot be added", hint="Drop it."),
        DestinationMissingError("no such table"),
        AccessDeniedError("glue:CreateTable", detail="says Glue"),
        ServiceUnavailableError("Glue does not answer"),
    ],
)
def test_an_error_of_the_function_is_raised_as_it_was(error: PenstockError) -> None:
    with pytest.raises(type(error)) as raised:
        asked(Failing(error)).prepare(TABLE)
    assert (str(raised.value), raised.value.hint) == (str(error), error.hint)


def test_a_function_that_failed_or_is_missing_is_told() -> None:
    with pytest.raises(ServiceUnavailableError, match=r"commit failed: .*ZeroDivisionError"):
        InvokedEditor(lambda: Lambda(lambda _: 1 // 0), "commit").prepare(TABLE)
    with pytest.raises(ConfigurationError, match="no function that may create or change the table"):
        InvokedEditor(lambda: Lambda(lambda _: None), "").prepare(TABLE)
