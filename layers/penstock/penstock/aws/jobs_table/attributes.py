"""Python values as attributes of the jobs table, and back.

boto3 has both ways for all that DynamoDB holds. The jobs table holds texts, numbers, lists, maps and sets of texts, and
boto3's import is a quarter of a cold start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from penstock.aws.dynamodb_values import number_text


def typed(value: Any) -> dict[str, Any]:
    """A Python value as DynamoDB's JSON. Raises TypeError for what the jobs table does not hold, ValueError for numbers
    that DynamoDB would round."""
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
    """DynamoDB's JSON as a Python value; numbers as Decimal. Raises TypeError for what the jobs table does not hold."""
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
    """An item of DynamoDB's JSON as Python values."""
    return {name: untyped(value) for name, value in item.items()}
