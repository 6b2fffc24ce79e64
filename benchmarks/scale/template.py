"""The settings of the deployed stack that bound a case."""

from __future__ import annotations

from functools import cache
from typing import Any

from faults.template import read_template


@cache
def _template() -> dict[str, Any]:
    return read_template()


def parameter(name: str) -> Any:
    """The default of a parameter."""
    return _template()["Parameters"][name]["Default"]


def mapping(function: str, event: str) -> dict[str, Any]:
    """An event source mapping of a function."""
    found: dict[str, Any] = resource(function)["Events"][event]["Properties"]
    return found


def resource(name: str) -> dict[str, Any]:
    """The properties of a resource."""
    found: dict[str, Any] = _template()["Resources"][name]["Properties"]
    return found
