"""The names of elements and attributes, as routes write them: local names, or with a prefix of the route."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from penstock.model.xml_values import Several

# expat joins the namespace and the local name by this sign.
BETWEEN = " "

# This attribute says that an element is null. The others of its namespace here are for validators.
NIL, DROPPED = "@@nil", "@@dropped"
_SCHEMA = "http://www.w3.org/2001/XMLSchema-instance"
_OF_SCHEMA = {
    f"{_SCHEMA}{BETWEEN}nil": NIL,
    f"{_SCHEMA}{BETWEEN}schemaLocation": DROPPED,
    f"{_SCHEMA}{BETWEEN}noNamespaceSchemaLocation": DROPPED,
}


class Naming:
    """Gives names of expat the form that routes use, and finds names of different namespaces that are then the same.

    ``namespaces`` maps prefixes of the route to their namespaces. ``repeated`` are elements that are always lists.
    ``elements`` has the name of a route for each name of an element, ``attributes`` ``@name`` for each of an attribute.
    ``keys`` has the name under which an element is kept: that of routes, until two names are the same for them; from
    then on the whole name. ``renames``: mappings of elements must then be passed to `renamed`. ``has_schema``: there
    may be attributes for validators.
    """

    def __init__(self, namespaces: Mapping[str, str], repeated: Collection[str]) -> None:
        prefixes = {namespace: f"{prefix}:" for prefix, namespace in namespaces.items()}
        self.elements = _Shortened(prefixes)
        self.attributes = _Shortened(prefixes, "@", _OF_SCHEMA)
        self.keys = _Keys(self)
        self.renames = bool(repeated)
        self.has_schema = False
        # The first whole name of each name of routes.
        self.firsts: dict[str, str] = {}
        self._repeated = frozenset(repeated)

    def note_namespace(self, _: str | None, namespace: str | None) -> None:
        """Notice the declaration of a namespace."""
        self.has_schema = self.has_schema or namespace == _SCHEMA

    def renamed(self, element: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """Return the mapping of an element, in its class, with the names of routes, and what is wrong with it."""
        short = type(element)()
        origins: dict[str, str] = {}
        problem = ""
        for key, value in element.items():
            name, full = self.elements[key], self.firsts.get(key, key)
            if name not in short:
                short[name] = value
            elif origins[name] == full:
                short[name] = Several((*_all(short[name]), *_all(value)))
            else:
                problem = clash(name, origins[name], full)
            origins[name] = full
        for name in self._repeated & short.keys():
            short[name] = Several(_all(short[name]))
        return short, problem

    def attribute_clash(self, given: Iterable[str]) -> str:
        """Return which two names of attributes are the same for a route; empty if none are."""
        seen: dict[str, str] = {}
        for full in given:
            other = seen.setdefault(self.attributes[full], full)
            if other != full and self.attributes[full] != DROPPED:
                return clash(self.attributes[full], other, full)
        return ""


def clash(name: str, one: str, other: str) -> str:
    """Return the reason for the reject of a record that has two names for one."""
    first, second = (full.rpartition(BETWEEN)[0] or "none" for full in (one, other))
    return f"has {name!r} of two namespaces ({first}, {second}): give one a prefix in parse.namespaces"


class _Shortened(dict[str, str]):
    """From names of expat to those of routes, each worked out once."""

    def __init__(self, prefixes: Mapping[str, str], sign: str = "", known: Mapping[str, str] | None = None) -> None:
        super().__init__(known or {})
        self._prefixes = prefixes
        self._sign = sign

    def __missing__(self, full: str) -> str:
        namespace, _, local = full.rpartition(BETWEEN)
        self[full] = short = f"{self._sign}{self._prefixes.get(namespace, '')}{local}"
        return short


class _Keys(dict[str, str]):
    """See `Naming`."""

    def __init__(self, naming: Naming) -> None:
        super().__init__()
        self._naming = naming
        self._are_whole = False

    def __missing__(self, full: str) -> str:
        naming = self._naming
        short = naming.elements[full]
        if naming.firsts.setdefault(short, full) != full and not self._are_whole:
            self._are_whole = naming.renames = True
            self.clear()
        self[full] = key = full if self._are_whole else short
        return key


def _all(value: object) -> Iterable[object]:
    return value if isinstance(value, Several) else (value,)
