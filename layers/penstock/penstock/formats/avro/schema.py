"""The schema of an Avro file, with all names resolved.

https://avro.apache.org/docs/1.12.0/specification/
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from penstock.errors import BadDocumentError

# Levels of types within types, as they are written.
MOST_LEVELS = 64

PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
NAMED = frozenset({"record", "error", "enum", "fixed"})

# The types that each logical type may annotate. On any other one it means nothing.
_LOGICAL: Mapping[str, frozenset[str]] = {
    "decimal": frozenset({"bytes", "fixed"}),
    "uuid": frozenset({"string", "fixed"}),
    "date": frozenset({"int"}),
    "time-millis": frozenset({"int"}),
    "time-micros": frozenset({"long"}),
    **{
        f"{local}timestamp-{unit}": frozenset({"long"})
        for local in ("", "local-")
        for unit in ("millis", "micros", "nanos")
    },
    "duration": frozenset({"fixed"}),
}
# The sizes that a fixed must have.
_SIZES = {"uuid": 16, "duration": 12}
# Characters of the schema that a message shows.
_SHOWN = 60
_HINT = "Let the sender write the file again with a valid schema, or convert it to JSON Lines."


@dataclass(slots=True, eq=False)
class Node:
    """One type. ``kind`` is primitive, or array, map, union, record, enum or fixed.

    ``items`` is the type of an array's items or of a map's values; ``size`` that of a fixed; ``scale`` and
    ``precision`` are those of a decimal.
    """

    kind: str
    logical: str = ""
    name: str = ""
    fields: list[tuple[str, Node]] = field(default_factory=list)
    branches: list[Node] = field(default_factory=list)
    items: Node | None = None
    symbols: tuple[str, ...] = ()
    size: int = 0
    precision: int = 0
    scale: int = 0

    @property
    def parts(self) -> list[Node]:
        """The types directly within this one."""
        return [*(part for _, part in self.fields), *self.branches, *([self.items] if self.items else [])]


def read_schema(text: bytes, *, offset: int) -> Node:
    """Return the type of the records. ``offset`` is that of the schema in the source.

    Raises BadDocumentError for what is no schema. Default values and aliases mean nothing to the writer's schema.
    """
    try:
        return _Resolver().resolve(json.loads(text), "", 0)
    except RecursionError:
        reason = "is nested too deeply"
    except KeyError as error:
        reason = f"is not valid: a type lacks {error}"
    except (ValueError, TypeError) as error:
        reason = f"is not valid: {error}"
    raise BadDocumentError(f"the schema of the Avro file {reason}", offset=offset, hint=_HINT)


class _Resolver:
    """Resolves names. Memory: one node for each type in the schema's text."""

    def __init__(self) -> None:
        self._known: dict[str, Node] = {}

    def resolve(self, schema: object, namespace: str, level: int) -> Node:
        if level > MOST_LEVELS:
            raise ValueError(f"more than {MOST_LEVELS} levels of types")
        match schema:
            case str():
                return Node(schema) if schema in PRIMITIVES else self._named(schema, namespace)
            case list():
                return self._union(schema, namespace, level)
            case dict() if isinstance(kind := schema.get("type"), str):
                return self._annotated(schema, kind, namespace, level)
            case {"type": dict() | list() as inner}:
                return self.resolve(inner, namespace, level + 1)
        raise ValueError(f"{_shown(schema)} is no type")

    def _named(self, name: str, namespace: str) -> Node:
        full = f"{namespace}.{name}" if namespace and "." not in name else name
        found = self._known.get(full) or self._known.get(name)
        if found is None:
            raise ValueError(f"there is no type {_shown(name)}")
        return found

    def _union(self, schema: list[object], namespace: str, level: int) -> Node:
        branches = [self.resolve(branch, namespace, level + 1) for branch in schema]
        if not branches:
            raise ValueError("a union without branches")
        if any(branch.kind == "union" for branch in branches):
            raise ValueError("a union directly within a union")
        return Node("union", branches=branches)

    def _annotated(self, schema: Mapping[str, object], kind: str, namespace: str, level: int) -> Node:
        if kind in NAMED:
            return self._define(schema, kind, namespace, level)
        if kind == "array":
            return Node(kind, items=self.resolve(schema["items"], namespace, level + 1))
        if kind == "map":
            return Node(kind, items=self.resolve(schema["values"], namespace, level + 1))
        if kind not in PRIMITIVES:
            return self._named(kind, namespace)
        return _with_logical(Node(kind), schema)

    def _define(self, schema: Mapping[str, object], kind: str, namespace: str, level: int) -> Node:
        name = schema.get("name")
        if not isinstance(name, str) or not name:
            raise ValueError(f"a {kind} without a name")
        own = schema.get("namespace")
        if "." in name:
            namespace = name.rpartition(".")[0]
        elif isinstance(own, str):
            namespace = own
        full = name if "." in name or not namespace else f"{namespace}.{name}"
        if full in self._known or full in PRIMITIVES:
            raise ValueError(f"type {_shown(full)} is defined twice")
        node = self._known[full] = Node("record" if kind == "error" else kind, name=full)
        if node.kind == "record":
            self._add_fields(node, schema, namespace, level)
        elif kind == "enum":
            node.symbols = _symbols(schema)
        else:
            node.size = _count(schema, "size")
            _with_logical(node, schema)
        return node

    def _add_fields(self, node: Node, schema: Mapping[str, object], namespace: str, level: int) -> None:
        fields = schema.get("fields")
        if not isinstance(fields, list):
            raise TypeError(f"record {_shown(node.name)} has no list of fields")
        names: set[str] = set()
        for declared in fields:
            name = declared.get("name") if isinstance(declared, dict) else None
            if not isinstance(name, str) or not name or "type" not in declared:
                raise ValueError(f"a field of record {_shown(node.name)} has no name or no type")
            if name in names:
                raise ValueError(f"record {_shown(node.name)} has two fields {_shown(name)}")
            names.add(name)
            part = self.resolve(declared["type"], namespace, level + 1)
            # Some writers annotate the field, and not its type. Java, Python and C ignore that; so does this.
            node.fields.append((name, part))


def _with_logical(node: Node, schema: Mapping[str, object]) -> Node:
    """Add the logical type of a schema, if it is a valid one: else it means nothing, as the specification says."""
    logical = schema.get("logicalType")
    if not isinstance(logical, str) or node.kind not in _LOGICAL.get(logical, ()):
        return node
    if logical == "decimal":
        precision, scale = schema.get("precision"), schema.get("scale", 0)
        if not _is_count(precision) or not _is_count(scale) or not precision or scale > precision:  # type: ignore[operator]
            return node
        node.precision, node.scale = precision, scale  # type: ignore[assignment]
    if node.kind == "fixed" and node.size != _SIZES.get(logical, node.size):
        return node
    node.logical = logical
    return node


def _symbols(schema: Mapping[str, object]) -> tuple[str, ...]:
    symbols = schema.get("symbols")
    if not isinstance(symbols, list) or not symbols or not all(isinstance(symbol, str) for symbol in symbols):
        raise ValueError(f"enum {_shown(schema.get('name'))} has no list of symbols")
    return tuple(symbols)


def _count(schema: Mapping[str, object], key: str) -> int:
    value = schema.get(key)
    if not _is_count(value):
        raise ValueError(f"{_shown(schema.get('name'))} has no {key}")
    return value  # type: ignore[return-value]


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 31


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
