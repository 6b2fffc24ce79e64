"""Frozen values as JSON and back: what one step of the machine leaves in the work bucket for the next.

A document says its ``kind`` and the ``version`` of its form, and a value of a union its kind, so that a release reads
what the one before has left, and the other way round: fields that are unknown are passed over, absent ones take their
default. What was written without a kind, before there were kinds, is told by its fields. A form that an older release
would misread gets a higher version, which that release refuses.
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

# Characters of a message, which may show what it complains of.
_MESSAGE = 500

KIND, VERSION = "kind", "version"
# Classes that were renamed since the first release: documents keep the first name.
_FIRST_NAMES = {"JobSpec": "Ticket", "SpanPlanDocument": "Cut"}
# Of every form there is.
CURRENT_VERSION = 1
# Metadata of a field that is written only where it is not the default: documents stay as the first release wrote them.
OMIT_DEFAULT = {"omit_default": True}


def to_plain(value: object) -> Any:
    """A value of dataclasses, enums, tuples, mappings, bytes and scalars as what json can write."""
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: _field(value, one.name) for one in fields(value) if one.init and not _is_omitted(value, one)}
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
    """A value as one line of JSON; that of a dataclass says its kind and version."""
    plain = to_plain(value)
    if is_dataclass(value):
        plain = {KIND: kind_name(type(value)), VERSION: CURRENT_VERSION} | plain
    return json.dumps(plain, separators=(",", ":"), ensure_ascii=False)


def from_plain(kind: type[V], plain: object) -> V:
    """The value that `to_plain` took apart. Raises RequestRefusedError when it is none of this kind."""
    try:
        _check_document(kind, plain)
        return cast("V", _build(kind, plain))
    except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError, RecursionError) as error:
        raise RequestRefusedError(f"not a {kind_name(kind)}: {error}"[:_MESSAGE]) from error


def from_json(kind: type[V], text: str | bytes) -> V:
    """The value that `to_json` wrote. Raises RequestRefusedError when it is none of this kind."""
    try:
        plain = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RequestRefusedError(f"not the JSON of a {kind_name(kind)}: {error}") from error
    return from_plain(kind, plain)


def kind_name(kind: type) -> str:
    """The name of a class in documents. It never changes."""
    return _FIRST_NAMES.get(kind.__name__, kind.__name__)


def _is_omitted(value: object, one: Field[Any]) -> bool:
    return "omit_default" in one.metadata and getattr(value, one.name) == one.default


def _field(value: object, name: str) -> Any:
    """A field's value; where it may be of several dataclasses, it says which."""
    inner = getattr(value, name)
    plain = to_plain(inner)
    if is_dataclass(inner) and len(_members(_hints(cast("type", type(value)))[name])) > 1:
        return {KIND: kind_name(type(inner))} | plain
    return plain


def _check_document(kind: Any, plain: Any) -> None:
    """What says that it is of another kind, or of a later form, is refused."""
    if not is_dataclass(kind) or not isinstance(plain, Mapping):
        return
    name = kind_name(cast("type", kind))
    named, version = plain.get(KIND, name), plain.get(VERSION, CURRENT_VERSION)
    if named != name:
        raise TypeError(f"it is a {named}")
    if version > CURRENT_VERSION:
        raise TypeError(f"a later release wrote it, in form {version}; this one reads form {CURRENT_VERSION}")


def _build(kind: Any, plain: Any) -> Any:
    if _is_union(kind):
        kind = _member(kind, plain)
    if plain is None:
        return _nothing(kind)
    origin = get_origin(kind)
    if tuple in (origin, *getattr(kind, "__bases__", ())):
        return _sequence(kind, plain)
    if origin is not None and issubclass(origin, Mapping):
        return {key: _build(get_args(kind)[1], inner) for key, inner in plain.items()}
    if is_dataclass(kind):
        hints = _hints(cast("type", kind))
        known = {one.name for one in fields(kind) if one.init}
        return cast("type", kind)(**{name: _build(hints[name], plain[name]) for name in plain if name in known})
    return _scalar(kind, plain)


def _nothing(kind: Any) -> None:
    if kind is not type(None):
        raise TypeError(f"no {kind}")


def _sequence(kind: Any, plain: Any) -> Any:
    """A tuple of one kind, or a NamedTuple."""
    if not isinstance(plain, list | tuple):
        raise TypeError(f"{plain!r} is no list")
    if get_origin(kind) is tuple:
        return tuple(_build(get_args(kind)[0], inner) for inner in plain)
    return kind(*(_build(hint, inner) for hint, inner in zip(_hints(kind).values(), plain, strict=True)))


def _scalar(kind: Any, plain: Any) -> Any:
    if kind is float and isinstance(plain, int | float):
        return plain  # as it was written: a route's digest tells 0 from 0.0
    return base64.b64decode(plain, validate=True) if kind is bytes else kind(plain)


def _member(union: Any, plain: Any) -> Any:
    """Which of a union's kinds a plain value is of: the one that it names, or, if none, whose fields it has."""
    kinds = get_args(union)
    if plain is None and type(None) in kinds:
        return type(None)
    candidates = [kind for kind in kinds if kind is not type(None)]
    if len(candidates) == 1:
        return candidates[0]
    for kind in _members(union):
        if plain[KIND] == kind_name(kind) if KIND in plain else _has_fields(kind, set(plain)):
            return kind
    raise TypeError(f"{plain!r} is none of {kinds}")


def _has_fields(kind: Any, names: set[str]) -> bool:
    """Whether these are fields of the kind, and all that it must have are there."""
    own = [one for one in fields(kind) if one.init]
    needed = {one.name for one in own if one.default is MISSING and one.default_factory is MISSING}
    return needed <= names <= {one.name for one in own}


def _members(hint: Any) -> list[Any]:
    """The dataclasses of a union; none of any other hint."""
    return [kind for kind in get_args(hint) if is_dataclass(kind)] if _is_union(hint) else []


def _is_union(hint: Any) -> bool:
    return get_origin(hint) in {types.UnionType, Union}


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
