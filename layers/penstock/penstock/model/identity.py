"""The text of a value that a digest is made of. It stays the same from one release to the next.

A job's id is a digest of its route, that of a load by the command one of its plan. Whoever renames a class or adds a
field must not make new jobs of those on record. So the text is that of the first release, and a field that came later
is part of it only where it is not the default.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass

# By the class's name of today: its name and its fields in the first release.
_FIRST: Mapping[str, tuple[str, str]] = {
    "Route": ("Route", "name match destination source_bucket codec max_ratio max_bytes store plan"),
    "ParseOptions": (
        "ParseOptions",
        "format delimiter quote header columns encoding records sheet max_record",
    ),
    "Column": ("Column", "name type source nullable nulls formats"),
    "Table": ("Table", "name columns mode key create nulls guessed"),
    "Choice": ("Choice", "field tables payload ignore_unknown"),
    "TablePlan": ("TablePlan", "parse table choice max_rejects"),
}


def identity(value: object) -> str:
    """The text of a value of dataclasses, tuples, mappings, enums and scalars: its repr in the first release."""
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
    """The same field by field; a text stands for itself. A field that came later is told by its name."""
    _, first = _first_of(value)
    for name, inner in _decisive(value):
        text = str(inner) if isinstance(inner, str) else identity(inner)
        yield text if name in first else f"{name}={text}"


def _decisive(value: object) -> Iterator[tuple[str, object]]:
    _, first = _first_of(value)
    for one in fields(value):  # type: ignore[arg-type]  # a dataclass: whoever calls has looked
        if one.init and (one.name in first or getattr(value, one.name) != _default(one)):
            yield one.name, getattr(value, one.name)


def _first_of(value: object) -> tuple[str, tuple[str, ...]]:
    name, first = _FIRST[type(value).__name__]
    return name, tuple(first.split())


def _default(one: Field[object]) -> object:
    return one.default if one.default_factory is MISSING else one.default_factory()


def digest(*texts: str) -> str:
    """32 hex digits that stand for a sequence of texts."""
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:32]
