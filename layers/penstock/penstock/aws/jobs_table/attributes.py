"""Converts Python values to attributes of the jobs table, and back.

boto3 can convert all types of DynamoDB, but its import is a quarter of a cold start. The jobs table only holds texts,
numbers, lists, maps, sets of texts, booleans and nulls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from penstock.aws.dynamodb_values import number_text


def typed(value: Any) -> dict[str, Any]:
    """Convert a Python value to DynamoDB's JSON.

    Raises TypeError for types that the jobs table does not hold, and ValueError for numbers that DynamoDB would round.
    """
    match value:
        case str():
            return {"S": str(value)}
        case bool():
            return {"BOOL": value}
        case int() | float() | Decimal():
            return {"N": number_text(value)}
        case None:
            return {"NULL": True}
        case frozenset():
            return {"SS": sorted(value)}
        case list() | tuple() | Mapping():
            return _collected(value)
    raise TypeError(f"the jobs table does not hold a {type(value).__name__}")


def _collected(value: Sequence[Any] | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return {"M": {name: typed(inner) for name, inner in value.items()}}
    return {"L": [typed(inner) for inner in value]}


def untyped(attribute: Mapping[str, Any]) -> Any:
    """Convert DynamoDB's JSON to a Python value, numbers to Decimal. Raises TypeError for other types."""
    ((kind, value),) = attribute.items()
    match kind:
        case "S" | "BOOL":
            return value
        case "N":
            return Decimal(value)
        case "NULL":
            return None
        case "SS":
            return frozenset(value)
        case "L":
            return [untyped(inner) for inner in value]
        case "M":
            return plain(value)
    raise TypeError(f"the jobs table does not hold attributes of type {kind}")


def plain(item: Mapping[str, Any]) -> dict[str, Any]:
    """Convert an item in DynamoDB's JSON to Python values."""
    return {name: untyped(value) for name, value in item.items()}
