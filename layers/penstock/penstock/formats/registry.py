"""The registry of formats. The format ``x`` is what `penstock.formats.x.format` declares as ``FORMAT``.

The names are the members of `penstock.model.parse_options.Format`. A format is imported on first use.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING

from penstock.errors import InvalidRouteError
from penstock.model.parse_options import Format

if TYPE_CHECKING:
    from penstock.formats.format import RecordFormat

_loaded: dict[str, RecordFormat] = {}


def format_named(name: str) -> RecordFormat:
    """Return the format of this name. Raises InvalidRouteError if there is none."""
    if name not in _loaded:
        if name == Format.AUTO or name not in list(Format):
            raise InvalidRouteError("the format of the records is not chosen", hint="Set parse.format in the route.")
        declared: RecordFormat = import_module(f"penstock.formats.{name}.format").FORMAT
        _loaded[name] = declared
    return _loaded[name]


def format_by_suffix(suffix: str) -> RecordFormat | None:
    """Return the format of a suffix (lower case, no dot). The format of the same name comes first."""
    return next((declared for declared in _formats(first=suffix) if suffix in declared.suffixes), None)


def all_suffixes() -> list[str]:
    """Return the suffixes of all formats."""
    return [suffix for declared in _formats() for suffix in declared.suffixes]


def options_of_others(name: str) -> list[str]:
    """Return the options that only other formats have."""
    own = format_named(Format(name)).own
    return [option for declared in _formats() if declared.name != name for option in declared.own if option not in own]


@contextmanager
def registered(declared: RecordFormat) -> Iterator[None]:
    """Add a format for the duration of the context, to try it out."""
    _loaded[declared.name] = declared
    try:
        yield
    finally:
        del _loaded[declared.name]


def _formats(first: str = "") -> Iterator[RecordFormat]:
    names = dict.fromkeys([*(name for name in Format if name != Format.AUTO), *_loaded])
    for name in sorted(names, key=lambda name: name != first):
        yield format_named(name)
