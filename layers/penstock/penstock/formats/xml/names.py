"""The names of elements and attributes, as routes write them: local names, or with a prefix of the route."""

from __future__ import annotations

from collections.abc import Collection, Mapping
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
    ``attributes`` has ``@name`` for each name of an attribute. ``renames``: mappings of elements must be passed to
    `renamed`; to be set when a namespace is declared.
    """

    def __init__(self, namespaces: Mapping[str, str], repeated: Collection[str]) -> None:
        prefixes = {namespace: f"{prefix}:" for prefix, namespace in namespaces.items()}
        self.elements = _Shortened(prefixes)
        self.attributes = _Shortened(prefixes, "@", _OF_SCHEMA)
        self.renames = bool(repeated)
        self._repeated = frozenset(repeated)

    def renamed(self, element: dict[str, Any]) -> dict[str, Any]:
        """Return the mapping of an element, in its class, with the names of routes."""
        names = self.elements
        short = type(element)((names[full], value) for full, value in element.items())
        for name in self._repeated & short.keys():
            if not isinstance(short[name], Several):
                short[name] = Several((short[name],))
        return short

    def clash(self, full_names: Collection[str], names: Mapping[str, str]) -> str:
        """Return which two names are the same for a route; empty if none are. ``names``: of elements or attributes."""
        seen: dict[str, str] = {}
        for full in full_names:
            other = seen.setdefault(names[full], full)
            if other is not full and names[full] != DROPPED:
                one, two = (name.rpartition(BETWEEN)[0] or "none" for name in (other, full))
                return f"has {names[full]!r} of two namespaces ({one}, {two}): give one a prefix in parse.namespaces"
        return ""


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
