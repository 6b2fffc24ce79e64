"""What a schema allows its data to do: how few bytes a value takes, and whether types contain themselves."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush
from math import inf

from penstock.errors import BadDocumentError
from penstock.formats.avro.schema import MOST_LEVELS, Node

# Values of a record that take no byte: nulls, and records of nothing else. A byte of the source makes no more than so
# many values.
MOST_EMPTY = 1000

_LEAST = {
    "record": 0,
    "null": 0,
    "boolean": 1,
    "int": 1,
    "long": 1,
    "float": 4,
    "double": 8,
    "bytes": 1,
    "string": 1,
    "enum": 1,
    "array": 1,
    "map": 1,
}
# The Python types that values of these kinds are decoded to, before any conversion.
_CLASSES = {
    "boolean": bool,
    "int": int,
    "long": int,
    "enum": int,
    "float": float,
    "double": float,
    "bytes": bytes,
    "fixed": bytes,
    "string": str,
    "array": list,
    "map": list,  # of pairs
    "record": dict,
    "null": type(None),
}


def class_of(node: Node) -> type:
    """The Python type of the decoded values of a type that is no union."""
    return _CLASSES[node.kind]


def all_nodes(top: Node) -> list[Node]:
    """Every type once."""
    found: dict[int, Node] = {}
    left = [top]
    while left:
        node = left.pop()
        if id(node) not in found:
            found[id(node)] = node
            left += node.parts
    return list(found.values())


class Shape:
    """The shape of a schema. Raises BadDocumentError for types whose values never end, or that are too deep.

    ``is_recursive``: a type contains itself, so that the data decides how deep values are. ``least``: fewest bytes.
    """

    def __init__(self, top: Node, *, offset: int) -> None:
        self._offset = offset
        nodes = all_nodes(top)
        self._least = _fewest_bytes(nodes)
        self.is_recursive = _has_cycle(top)
        for node in nodes:
            if self._least[id(node)] == inf:
                raise self._refused(f"type {node.name or node.kind!r} contains itself in each of its values")
        try:
            empty: dict[int, int] = {}
            most = max(self._empty(node, empty) for node in nodes)
            levels = 0 if self.is_recursive else _depth(top, {})
        except RecursionError:
            levels, most = MOST_LEVELS + 1, 0
        if most > MOST_EMPTY:
            raise self._refused(f"a type has more than {MOST_EMPTY:,} values that take no byte")
        if levels > MOST_LEVELS:
            raise self._refused(f"its types are nested more than {MOST_LEVELS} levels deep")

    def least(self, node: Node) -> int:
        return int(self._least[id(node)])

    def repeats_nothing(self, nodes: Iterable[Node]) -> bool:
        """Whether an array may hold any number of items that take no byte."""
        return any(node.kind == "array" and node.items and not self.least(node.items) for node in nodes)

    def _refused(self, reason: str) -> BadDocumentError:
        return BadDocumentError(
            f"the schema of the Avro file is not read: {reason}",
            offset=self._offset,
            hint="Convert the file to JSON Lines.",
        )

    def _empty(self, node: Node, known: dict[int, int]) -> int:
        """Values within a value that take no byte, before the next byte is needed."""
        if id(node) not in known:
            own = node.kind == "null" or (node.kind == "fixed" and not node.size)
            # Only types that contain themselves at once could go on for ever, and those are refused before.
            known[id(node)] = own + sum(min(self._empty(part, known), MOST_EMPTY + 1) for _, part in node.fields)
        return known[id(node)]


def _fewest_bytes(nodes: list[Node]) -> dict[int, float]:
    """The fewest bytes of each type; infinite if it contains itself in each of its values.

    The type with the fewest bytes is settled first, as in Dijkstra's algorithm, so that each is settled once.
    """
    least: dict[int, float] = {id(node): inf for node in nodes}
    by_id = {id(node): node for node in nodes}
    around: dict[int, list[Node]] = {id(node): [] for node in nodes}
    missing = {id(node): len(node.fields) for node in nodes}
    sums = dict.fromkeys(least, 0.0)
    found: list[tuple[float, int]] = []
    for node in nodes:
        if node.kind in ("record", "union"):
            for part in node.parts:
                around[id(part)].append(node)
        if node.kind != "union" and not node.fields:
            heappush(found, (node.size if node.kind == "fixed" else _LEAST[node.kind], id(node)))
    while found:
        size, settled = heappop(found)
        if least[settled] < inf:
            continue
        least[settled] = size
        for outer in around[settled]:
            key = id(outer)
            missing[key] -= 1
            sums[key] += size
            if by_id[key].kind == "union":
                heappush(found, (size + 1, key))
            elif not missing[key]:
                heappush(found, (sums[key], key))
    return least


def _has_cycle(top: Node) -> bool:
    """Whether a type contains itself."""
    done: set[int] = set()
    path: set[int] = set()
    stack: list[tuple[Node, bool]] = [(top, False)]
    while stack:
        node, is_left = stack.pop()
        if is_left:
            path.discard(id(node))
            done.add(id(node))
            continue
        if id(node) in path:
            return True
        if id(node) in done:
            continue
        path.add(id(node))
        stack.append((node, True))
        for part in node.parts:
            if id(part) in path:
                return True
            stack.append((part, False))
    return False


def _depth(node: Node, known: dict[int, int]) -> int:
    """The levels of a type that does not contain itself."""
    if id(node) not in known:
        known[id(node)] = 1 + max((_depth(part, known) for part in node.parts), default=0)
    return known[id(node)]
