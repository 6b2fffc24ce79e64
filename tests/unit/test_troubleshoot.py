"""docs/troubleshoot.md explains every error by name, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from penstock import errors

PAGE = (Path(__file__).parents[2] / "docs/troubleshoot.md").read_text()
SECTIONS = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL))
BRANCHES = {errors.RetryableError: "**Retryable.** ", errors.PermanentError: "**Permanent.** "}


def test_every_error_has_one_section_and_every_section_an_error() -> None:
    assert sorted(re.findall(r"^### (.*)$", PAGE, re.MULTILINE)) == sorted(errors.__all__)


@pytest.mark.parametrize("name", errors.__all__)
def test_a_section_says_what_happened_why_and_what_to_do(name: str) -> None:
    what_happened, causes, remedy = re.split(r"^- \*\*(?:Causes|What to do):\*\* ", SECTIONS[name], flags=re.MULTILINE)
    assert all(part.strip() for part in (what_happened, causes, remedy))


@pytest.mark.parametrize("name", errors.__all__)
def test_a_section_says_whether_the_error_is_retried(name: str) -> None:
    error: type[errors.PenstockError] = getattr(errors, name)
    said = SECTIONS[name].lstrip()
    assert [said.startswith(words) for words in BRANCHES.values()] == [issubclass(error, one) for one in BRANCHES]


def test_errors_that_a_section_names_exist() -> None:
    assert set(re.findall(r"`(?:penstock\.)?(\w+Error)`", PAGE)) <= set(errors.__all__)
