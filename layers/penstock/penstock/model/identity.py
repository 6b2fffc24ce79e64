"""The text of a value that its digest is computed from. It is the same in every release.

A job's id contains a digest of its route, and the id of a command-line load one of its plan. Renaming a class or adding
a field must not give recorded jobs new ids. So the text is that of the first release, and a later field is part of it
only if its value is not the default. A field that is not compared never is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass

# The class's current name -> its name and its fields in the first release.
_FIRST: Mapping[str, tuple[str, str]] = {
    "Route": ("Route", "name match destination source_bucket codec max_ratio max_bytes store plan"),
    "ParseOptions": (
        "ParseOptions",
        "format delimiter quote header columns encoding records sheet max_record",
    ),
    "SheetTable": ("SheetTable", "name"),
    "Column": ("Column", "name type source nullable nulls formats"),
    "ValueRules": ("ValueRules", ""),
    "FileOptions": ("FileOptions", ""),
    "Table": ("Table", "name columns mode key create nulls guessed"),
    "Choice": ("Choice", "field tables payload ignore_unknown"),
    "TablePlan": ("TablePlan", "parse table choice max_rejects"),
}


def identity(value: object) -> str:
    """Return the repr that a value of dataclasses, tuples, mappings, enums and scalars had in the first release."""
    if is_dataclass(value) and not isinstance(value, type):
        name, _ = _first_of(value)
        decisive = ", ".join(f"{field}={identity(inner)}" for field, inner in _decisive(value))
        return f"{name}({decisive})"
    if isinstance(value, tuple):
        inner = ", ".join(map(identity, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {identity(inner)}" for key, inner in value.items()) + "}"
    return repr(value)


def identities(value: object) -> Iterator[str]:
    """Yield the same text by field. A text is yielded unchanged; a later field is preceded by its name."""
    _, first = _first_of(value)
    for name, inner in _decisive(value):
        text = str(inner) if isinstance(inner, str) else identity(inner)
        yield text if name in first else f"{name}={text}"


def _decisive(value: object) -> Iterator[tuple[str, object]]:
    _, first = _first_of(value)
    for field in fields(value):  # type: ignore[arg-type]  # the callers pass dataclasses
        if not field.init or not field.compare:
            continue
        if field.name in first or getattr(value, field.name) != _default(field):
            yield field.name, getattr(value, field.name)


def _first_of(value: object) -> tuple[str, tuple[str, ...]]:
    name, first = _FIRST[type(value).__name__]
    return name, tuple(first.split())


def _default(field: Field[object]) -> object:
    return field.default if field.default_factory is MISSING else field.default_factory()


def digest(*texts: str) -> str:
    """Return 32 hex digits that identify a sequence of texts."""
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:32]
