"""Convert frozen values to JSON and back: the files that the steps of the state machine exchange in the work bucket.

A document holds its ``kind`` and the ``version`` of its format; a value of a union holds its kind. So each release
reads documents of the previous and of the next one: unknown fields are ignored, absent ones take their default. Older
documents without a kind are recognised by their fields. A format that an older release would misread gets a higher
version, which that release refuses.
"""

from __future__ import annotations

import base64
import json
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from penstock.errors import RequestRefusedError

V = TypeVar("V")

# The maximum characters of a message, which may quote the document.
_MESSAGE = 500

KIND, VERSION = "kind", "version"
# Classes renamed since the first release. Documents keep the first name.
_FIRST_NAMES = {"JobSpec": "Ticket", "SpanPlanDocument": "Cut"}
# The version of all current formats.
CURRENT_VERSION = 1
# Metadata of a field that is omitted if it has its default, so that documents stay as in the first release.
OMIT_DEFAULT = {"omit_default": True}

# JSON holds them as they are. Exactly these classes: an Enum may derive from one.
_SCALARS = {str, int, float, bool, type(None)}


def to_plain(value: object) -> Any:
    """Convert a value of dataclasses, enums, tuples, mappings, bytes and scalars to JSON types."""
    if is_dataclass(value) and not isinstance(value, type):
        written = (field for field in _init_fields(type(value)) if not _is_omitted(value, field))
        return {field.name: _field(value, field.name) for field in written}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {key: to_plain(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [to_plain(inner) for inner in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value


def to_json(value: object) -> str:
    """Convert a value to one line of JSON, with kind and version if it is a dataclass."""
    plain = to_plain(value)
    if is_dataclass(value):
        plain = {KIND: kind_name(type(value)), VERSION: CURRENT_VERSION} | plain
    return json.dumps(plain, separators=(",", ":"), ensure_ascii=False)


def from_plain(kind: type[V], plain: object) -> V:
    """Convert the output of `to_plain` back. Raises RequestRefusedError if it is not of this kind."""
    try:
        _check_document(kind, plain)
        return cast("V", _build(kind, plain))
    except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError, RecursionError) as error:
        raise RequestRefusedError(f"not a {kind_name(kind)}: {error}"[:_MESSAGE]) from error


def from_json(kind: type[V], text: str | bytes) -> V:
    """Convert the output of `to_json` back. Raises RequestRefusedError if it is not of this kind."""
    try:
        plain = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RequestRefusedError(f"not the JSON of a {kind_name(kind)}: {error}") from error
    return from_plain(kind, plain)


def kind_name(kind: type) -> str:
    """Return the name of a class in documents. It never changes."""
    return _FIRST_NAMES.get(kind.__name__, kind.__name__)


@cache
def _init_fields(kind: type[Any]) -> tuple[Field[Any], ...]:
    return tuple(field for field in fields(kind) if field.init)


def _is_omitted(value: object, field: Field[Any]) -> bool:
    return "omit_default" in field.metadata and getattr(value, field.name) == field.default


def _field(value: object, name: str) -> Any:
    """Convert a field; add its kind if the field may hold several dataclasses."""
    inner = getattr(value, name)
    if type(inner) in _SCALARS:
        return inner
    plain = to_plain(inner)
    if is_dataclass(inner) and len(_members(_hints(cast("type", type(value)))[name])) > 1:
        return {KIND: kind_name(type(inner))} | plain
    return plain


def _check_document(kind: Any, plain: Any) -> None:
    """Refuse a document of another kind or of a later version."""
    if not is_dataclass(kind) or not isinstance(plain, Mapping):
        return
    name = kind_name(cast("type", kind))
    named, version = plain.get(KIND, name), plain.get(VERSION, CURRENT_VERSION)
    if named != name:
        raise TypeError(f"the document is a {named}")
    if version > CURRENT_VERSION:
        raise TypeError(f"a later release wrote version {version}; this release reads version {CURRENT_VERSION}")


def _build(kind: Any, plain: Any) -> Any:
    # Most values are scalars: first what is cheap.
    if type(plain) in _SCALARS and (type(plain) is kind or (_is_union(kind) and type(plain) in get_args(kind))):
        return plain
    if _is_union(kind):
        kind = _member(kind, plain)
    if plain is None:
        return _none(kind)
    origin = get_origin(kind)
    if tuple in (origin, *getattr(kind, "__bases__", ())):
        return _sequence(kind, plain)
    if origin is not None and issubclass(origin, Mapping):
        return {key: _build(get_args(kind)[1], inner) for key, inner in plain.items()}
    if is_dataclass(kind):
        hints = _hints(cast("type", kind))
        known = {field.name for field in _init_fields(cast("type", kind))}
        return cast("type", kind)(**{name: _build(hints[name], plain[name]) for name in plain if name in known})
    return _scalar(kind, plain)


def _none(kind: Any) -> None:
    if kind is not type(None):
        raise TypeError(f"null instead of {kind}")


def _sequence(kind: Any, plain: Any) -> Any:
    """Build a homogeneous tuple, one of a fixed length or a NamedTuple."""
    if not isinstance(plain, list | tuple):
        raise TypeError(f"{plain!r} is not a list")
    if get_origin(kind) is tuple:
        hints = get_args(kind)
        if hints[-1] is ...:
            return tuple(_build(hints[0], inner) for inner in plain)
        return tuple(_build(hint, inner) for hint, inner in zip(hints, plain, strict=True))
    return kind(*(_build(hint, inner) for hint, inner in zip(_hints(kind).values(), plain, strict=True)))


def _scalar(kind: Any, plain: Any) -> Any:
    if kind is float and isinstance(plain, int | float):
        return plain  # unchanged: a route's digest distinguishes 0 and 0.0
    return base64.b64decode(plain, validate=True) if kind is bytes else kind(plain)


def _member(union: Any, plain: Any) -> Any:
    """Find the kind of a plain value in a union: the kind that it names, otherwise the one that has its fields."""
    kinds = get_args(union)
    if plain is None and type(None) in kinds:
        return type(None)
    candidates = [kind for kind in kinds if kind is not type(None)]
    if len(candidates) == 1:
        return candidates[0]
    for kind in _members(union):
        if plain[KIND] == kind_name(kind) if KIND in plain else _has_fields(kind, set(plain)):
            return kind
    raise TypeError(f"{plain!r} is not of any of {kinds}")


def _has_fields(kind: Any, names: set[str]) -> bool:
    """Whether a kind has all these fields, and they include its required ones."""
    own = _init_fields(kind)
    required = {field.name for field in own if field.default is MISSING and field.default_factory is MISSING}
    return required <= names <= {field.name for field in own}


def _members(hint: Any) -> list[Any]:
    """Return the dataclasses of a union; an empty list for any other hint."""
    return [kind for kind in get_args(hint) if is_dataclass(kind)] if _is_union(hint) else []


@cache
def _is_union(hint: Any) -> bool:
    return get_origin(hint) in {types.UnionType, Union}


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
