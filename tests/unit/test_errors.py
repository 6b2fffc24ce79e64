"""The error tree is what its docstring draws, and every error says what to do."""

from __future__ import annotations

import re

import pytest

from penstock import errors
from penstock.errors import (
    AccessDeniedError,
    BadSourceError,
    PenstockError,
    PermanentError,
    RetryableError,
    ServiceUnavailableError,
    TruncatedSourceError,
    noting,
)

CLASSES = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, PenstockError)
}


def test_the_tree_in_the_docstring_is_complete() -> None:
    drawn = re.findall(r"(\w+Error)\b", (errors.__doc__ or "").split("The state machine")[0])
    assert sorted(drawn) == sorted(CLASSES)


@pytest.mark.parametrize("name", sorted(set(CLASSES) - {"PenstockError"}))
def test_every_error_is_either_retryable_or_permanent(name: str) -> None:
    kind = CLASSES[name]
    assert issubclass(kind, RetryableError) != issubclass(kind, PermanentError)


def test_what_fails_on_the_way_of_an_error_becomes_a_note_of_it() -> None:
    first = TruncatedSourceError("cut", offset=1)
    with noting(first, "it could not be recorded"):
        raise AccessDeniedError("dynamodb:UpdateItem on table jobs")
    (note,) = first.__notes__
    assert note.startswith("it could not be recorded: ")
    assert "dynamodb:UpdateItem" in note


def test_where_trying_again_helps_only_permanent_errors_become_notes() -> None:
    first = TruncatedSourceError("cut", offset=1)
    with pytest.raises(ServiceUnavailableError), noting(first, "it could not be dropped", PermanentError):
        raise ServiceUnavailableError("busy")


def test_a_bad_source_names_object_and_offset() -> None:
    error = BadSourceError("bad block", offset=12_345, source="s3://drops/a.gz")
    assert str(error) == "s3://drops/a.gz: bad block (at byte 12,345)"
    assert error.hint
