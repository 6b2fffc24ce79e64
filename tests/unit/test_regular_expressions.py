"""No value takes a regular expression longer than it is long: a file chooses the value."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import pytest

import penstock

LENGTH = 100_000  # with time by its square, some of these would take minutes, and the suite's timeout end them


def patterns() -> Iterator[tuple[str, re.Pattern[Any]]]:
    """Those of modules and of their classes."""
    for module in pkgutil.walk_packages(penstock.__path__, "penstock."):
        if ".testing" in module.name:
            continue
        held = vars(importlib.import_module(module.name))
        for name, value in [*held.items()]:
            if isinstance(value, re.Pattern):
                yield f"{module.name}.{name}", value
            elif isinstance(value, type) and value.__module__ == module.name:
                for inner, deeper in vars(value).items():
                    if isinstance(deeper, re.Pattern):
                        yield f"{module.name}.{name}.{inner}", deeper


FOUND = dict(patterns())


def texts(pattern: re.Pattern[Any]) -> Iterator[str]:
    """Whatever the pattern may repeat, again and again, and then no end that it could take."""
    source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    signs = sorted(set("".join(re.findall(r"[^A-Za-z]", source))) | set('09aAhms \t\n"[]:.,-+_'))
    for sign in signs:
        yield sign * LENGTH + "\0"


def test_there_are_some() -> None:
    assert "penstock.formats.xlsx.cells._TOKEN" in FOUND
    assert len(FOUND) > 20


@pytest.mark.parametrize("name", sorted(FOUND))
def test_a_text_is_gone_through_once(name: str) -> None:
    pattern = FOUND[name]
    for text in texts(pattern):
        given = text if isinstance(pattern.pattern, str) else text.encode("latin-1", "replace")
        pattern.fullmatch(given)
