"""Conversions of values that are decoded already, by their schema."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, cast

from penstock.formats.avro.decoded import Unfit
from penstock.formats.avro.schema import Node
from penstock.formats.avro.shape import class_of
from penstock.formats.avro.values import Convert, add_to_map, scalar_conversion


def any_ambiguous(nodes: list[Node]) -> bool:
    """Whether a union has branches that Python does not tell apart, where it matters."""
    conversions = Conversions()
    return any(node.kind == "union" and _is_ambiguous(node, conversions) for node in nodes)


def _is_ambiguous(union: Node, conversions: Conversions) -> bool:
    """Whether a value of a branch that needs a conversion could be of another branch, as Python sees it."""
    classes = [class_of(branch) for branch in union.branches]
    return any(classes.count(class_of(branch)) > 1 and conversions.of(branch) for branch in union.branches)


class Conversions:
    """The conversions of decoded values, for types that do not contain themselves. Each type is looked at once."""

    def __init__(self) -> None:
        self._known: dict[int, Convert | None] = {}

    def of(self, node: Node) -> Convert | None:
        """The conversion of a type; None if its values stay as they are."""
        if id(node) not in self._known:
            self._known[id(node)] = self._made(node)
        return self._known[id(node)]

    def _made(self, node: Node) -> Convert | None:
        match node.kind:
            case "record":
                converts = self.of_fields(node)
                return partial(_convert_fields, converts) if converts else None
            case "union":
                by_class = {class_of(branch): convert for branch in node.branches if (convert := self.of(branch))}
                return partial(_convert_branch, by_class) if by_class else None
            case "array":
                convert = self.of(node.parts[0])
                return partial(_convert_items, convert) if convert else None
            case "map":
                return partial(_map_of, self.of(node.parts[0]))
        return scalar_conversion(node)

    def of_fields(self, node: Node) -> list[tuple[str, Convert]]:
        """The fields of a record that need a conversion."""
        return [(name, convert) for name, part in node.fields if (convert := self.of(part))]


def _convert_fields(converts: list[tuple[str, Convert]], value: object) -> object:
    for name, convert in converts:
        value[name] = convert(value[name])  # type: ignore[index]
    return value


def _convert_branch(by_class: Mapping[type, Convert], value: object) -> object:
    convert = by_class.get(type(value))
    return convert(value) if convert else value


def _convert_items(convert: Convert, value: object) -> object:
    return [convert(item) for item in value]  # type: ignore[attr-defined]


def _map_of(convert: Convert | None, pairs: object) -> object:
    """The map of pairs of keys and values. Raises ValueError if it has a key twice."""
    found: dict[str, object] = {}
    for pair in cast("list[dict[str, Any]]", pairs):
        add_to_map(found, pair["key"], convert(pair["value"]) if convert else pair["value"])
    return found


def record_conversion(top: Node, conversions: Conversions) -> Convert | None:
    """The conversion of complete records: a value that cannot be converted makes the record `Unfit`."""
    fields = conversions.of_fields(top)
    whole = None if top.kind == "record" else conversions.of(top)
    if not fields and not whole:
        return None

    def convert_record(record: Any) -> object:
        name = ""
        try:
            if whole:
                return whole(record)
            for name, convert in fields:  # the error names the field
                record[name] = convert(record[name])
        except ValueError as error:
            return Unfit(record, name, str(error))
        return record

    return convert_record
