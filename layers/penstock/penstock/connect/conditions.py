"""Conditions of policies, for a request of which some keys are known. What is not known is said to be so.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import Any

from penstock.connect.wildcards import covers


class Match(IntEnum):
    """Whether a statement is about a request. The least of several is what they are together."""

    NO = 0
    PERHAPS = 1
    YES = 2


# The value of a key that the request does not have.
ABSENT = ""

_NEGATED = {
    "stringnotequals": "stringequals",
    "stringnotequalsignorecase": "stringequalsignorecase",
    "stringnotlike": "stringlike",
    "arnnotequals": "arnlike",
    "arnnotlike": "arnlike",
    "numericnotequals": "numericequals",
}


def _equal_numbers(value: str, wanted: str) -> bool:
    return float(value) == float(wanted)


# ArnEquals and ArnLike behave alike, says the page above.
_OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "stringequals": lambda value, wanted: value == wanted,
    "stringequalsignorecase": lambda value, wanted: value.lower() == wanted.lower(),
    "stringlike": lambda value, wanted: covers(wanted, value),
    "arnequals": lambda value, wanted: covers(wanted, value),
    "arnlike": lambda value, wanted: covers(wanted, value),
    "bool": lambda value, wanted: value.lower() == wanted.lower(),
    "numericequals": _equal_numbers,
    "numericlessthan": lambda value, wanted: float(value) < float(wanted),
    "numericlessthanequals": lambda value, wanted: float(value) <= float(wanted),
    "numericgreaterthan": lambda value, wanted: float(value) > float(wanted),
    "numericgreaterthanequals": lambda value, wanted: float(value) >= float(wanted),
}


def condition_of(block: object, known: Mapping[str, str]) -> tuple[Match, tuple[str, ...]]:
    """Whether all conditions hold for a request, and the keys on which that depends if it is not known.

    ``known`` has the keys of the request in lower case; `ABSENT` is the value of one that the request does not have.
    """
    result, open_keys = Match.YES, []
    for operator, keys in _items(block):
        for key, wanted in _items(keys):
            found = _holds(str(operator).lower(), str(key).lower(), _texts(wanted), known)
            result = min(result, found)
            if found is Match.PERHAPS:
                open_keys.append(str(key))
    return result, tuple(open_keys) if result is Match.PERHAPS else ()


def _holds(operator: str, key: str, wanted: Sequence[str], known: Mapping[str, str]) -> Match:
    value = known.get(key)
    if_exists = operator.endswith("ifexists")
    operator = operator.removesuffix("ifexists")
    if value is None or ":" in operator:  # ForAllValues and ForAnyValue are about keys with several values
        return Match.PERHAPS
    if operator == "null":
        return _of((value == ABSENT) == (wanted[:1] == ["true"]))
    negated = operator in _NEGATED
    compare = _OPERATORS.get(_NEGATED.get(operator, operator))
    if compare is None:
        return Match.PERHAPS
    if value == ABSENT:
        # A negated operator holds for a key that is absent; others hold with ...IfExists only.
        return _of(negated or if_exists)
    try:
        return _of(any(compare(value, text) for text in wanted) != negated)
    except ValueError:
        return Match.PERHAPS


def _of(holds: bool) -> Match:
    return Match.YES if holds else Match.NO


def _items(block: object) -> list[tuple[object, Any]]:
    return list(block.items()) if isinstance(block, Mapping) else []


def _texts(value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [str(one).lower() if isinstance(one, bool) else str(one) for one in values]
