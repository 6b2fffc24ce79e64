"""Frozen values as JSON and back: what one step of the machine leaves in the work bucket for the next."""

from __future__ import annotations

import base64
import json
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from penstock.errors import RequestRefusedError

V = TypeVar("V")

# Characters of a message, which may show what it complains of.
_MESSAGE = 500


def to_plain(value: object) -> Any:
    """A value of dataclasses, enums, tuples, mappings, bytes and scalars as what json can write."""
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: to_plain(getattr(value, one.name)) for one in fields(value) if one.init}
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
    """A value as one line of JSON."""
    return json.dumps(to_plain(value), separators=(",", ":"), ensure_ascii=False)


def from_plain(kind: type[V], plain: object) -> V:
    """The value that `to_plain` took apart. Raises RequestRefusedError when it is none of this kind."""
    try:
        return cast("V", _build(kind, plain))
    except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError, RecursionError) as error:
        raise RequestRefusedError(f"not a {kind.__name__}: {error}"[:_MESSAGE]) from error


def from_json(kind: type[V], text: str | bytes) -> V:
    """The value that `to_json` wrote. Raises RequestRefusedError when it is none of this kind."""
    try:
        plain = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RequestRefusedError(f"not the JSON of a {kind.__name__}: {error}") from error
    return from_plain(kind, plain)


def _build(kind: Any, plain: Any) -> Any:
    if get_origin(kind) in {types.UnionType, Union}:
        kind = _member(get_args(kind), plain)
    if plain is None:
        return _nothing(kind)
    origin = get_origin(kind)
    if tuple in (origin, *getattr(kind, "__bases__", ())):
        return _sequence(kind, plain)
    if origin is not None and issubclass(origin, Mapping):
        return {key: _build(get_args(kind)[1], inner) for key, inner in plain.items()}
    if is_dataclass(kind):
        hints = _hints(cast("type", kind))
        return cast("type", kind)(**{name: _build(hints[name], inner) for name, inner in plain.items()})
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


def _member(kinds: tuple[Any, ...], plain: Any) -> Any:
    """Which of a union's kinds a plain value is of: the dataclass that has just these fields."""
    candidates = [kind for kind in kinds if kind is not type(None)]
    if plain is None and len(candidates) < len(kinds):
        return type(None)
    if len(candidates) == 1:
        return candidates[0]
    for kind in candidates:
        if is_dataclass(kind) and {one.name for one in fields(kind) if one.init} == set(plain):
            return kind
    raise TypeError(f"{plain!r} is none of {kinds}")


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
