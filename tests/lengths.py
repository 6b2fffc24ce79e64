"""How long the tests are: `make test` runs the short form of each in minutes, `make verify` the long one in an hour."""

from __future__ import annotations

import os

import pytest

IS_LONG = os.environ.get("TESTS") == "long"
SHORT = 4  # the long form tries so many times as many examples


def long(*values: object, **more: str) -> object:
    """Values of a parameter that only the long form tries."""
    return pytest.param(*values, marks=pytest.mark.long, **more)


def examples(number: int) -> int:
    """How many examples a property is tried with, of the ``number`` of its long form."""
    return number if IS_LONG else max(10, number // SHORT)
