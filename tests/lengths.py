"""The length of tests: `make test` runs the short form in minutes, `make verify` the long form in an hour."""

from __future__ import annotations

import os

import pytest

IS_LONG = os.environ.get("TESTS") == "long"
SHORT = 6  # the long form has so many times more examples


def long(*values: object, **more: str) -> object:
    """Values of a parameter for the long form only."""
    return pytest.param(*values, marks=pytest.mark.long, **more)


def examples(number: int) -> int:
    """The number of examples of a property; ``number`` is that of the long form."""
    return number if IS_LONG else max(10, number // SHORT)
