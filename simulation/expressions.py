"""DynamoDB's expressions: conditions and updates, compiled once for each text.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache, partial
from operator import eq, ge, gt, le, lt, ne
from typing import Any

Item = dict[str, Any]
Attribute = Mapping[str, Any]
Names = Mapping[str, str]
Bound = Mapping[str, Attribute]
Operand = Callable[[Item, Names, Bound], Attribute | None]
Condition = Callable[[Item, Names, Bound], bool]
Change = Callable[[Item, Item, Names, Bound], None]

_TOKEN = re.compile(r"\s*(<=|>=|<>|[=<>(),+\-]|[#:]?[A-Za-z_][A-Za-z0-9_\-]*(?:\[\d+\]|\.[#\w]+)*)")
_COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {"=": eq, "<>": ne, "<": lt, "<=": le, ">": gt, ">=": ge}
_CLAUSES = ("SET", "REMOVE", "ADD", "DELETE")


class InvalidExpressionError(Exception):
    """DynamoDB would answer ValidationException."""


class _Tokens:
    def __init__(self, text: str) -> None:
        self._left = _split(text)

    def next(self) -> str:
        """Take the next token; empty at the end."""
        return self._left.pop(0) if self._left else ""

    def peek(self) -> str:
        return self._left[0] if self._left else ""

    def expect(self, wanted: str) -> None:
        if (found := self.next()) != wanted:
            raise InvalidExpressionError(f"{found!r} instead of {wanted!r}")


def _split(text: str) -> list[str]:
    tokens, at = [], 0
    while at < len(text.rstrip()):
        found = _TOKEN.match(text, at)
        if not found:
            raise InvalidExpressionError(text[at:])
        tokens.append(found[1])
        at = found.end()
    return tokens


@cache
def condition(text: str) -> Condition:
    """Compile a condition."""
    tokens = _Tokens(text)
    compiled = _any(tokens)
    if tokens.peek():
        raise InvalidExpressionError(f"{tokens.peek()!r} after a condition")
    return compiled


def _any(tokens: _Tokens) -> Condition:
    parts = [_all(tokens)]
    while tokens.peek() == "OR":
        tokens.next()
        parts.append(_all(tokens))
    return parts[0] if len(parts) == 1 else lambda item, names, bound: any(one(item, names, bound) for one in parts)


def _all(tokens: _Tokens) -> Condition:
    parts = [_not(tokens)]
    while tokens.peek() == "AND":
        tokens.next()
        parts.append(_not(tokens))
    return parts[0] if len(parts) == 1 else lambda item, names, bound: all(one(item, names, bound) for one in parts)


def _not(tokens: _Tokens) -> Condition:
    if tokens.peek() == "NOT":
        tokens.next()
        inner = _not(tokens)
        return lambda item, names, bound: not inner(item, names, bound)
    if tokens.peek() == "(":
        tokens.next()
        inner = _any(tokens)
        tokens.expect(")")
        return inner
    return _predicate(tokens)


def _predicate(tokens: _Tokens) -> Condition:
    name = tokens.next()
    if name in ("attribute_exists", "attribute_not_exists", "begins_with"):
        return _function(name, tokens)
    left = _operand(name)
    sign = tokens.next()
    if sign == "IN":
        choices = _listed(tokens)
        return lambda item, names, bound: any(
            _compare(eq, left(item, names, bound), one(item, names, bound)) for one in choices
        )
    if sign == "BETWEEN":
        low = _operand(tokens.next())
        tokens.expect("AND")
        high = _operand(tokens.next())
        return lambda item, names, bound: (
            _compare(ge, left(item, names, bound), low(item, names, bound))
            and _compare(le, left(item, names, bound), high(item, names, bound))
        )
    compared, right = _COMPARED[sign], _operand(tokens.next())
    return lambda item, names, bound: _compare(compared, left(item, names, bound), right(item, names, bound))


def _function(name: str, tokens: _Tokens) -> Condition:
    tokens.expect("(")
    path = _operand(tokens.next())
    if name == "begins_with":
        tokens.expect(",")
        prefix = _operand(tokens.next())
        tokens.expect(")")
        return lambda item, names, bound: _text(path(item, names, bound)).startswith(_text(prefix(item, names, bound)))
    tokens.expect(")")
    wanted = name == "attribute_exists"
    return lambda item, names, bound: (path(item, names, bound) is not None) is wanted


def _listed(tokens: _Tokens) -> list[Operand]:
    tokens.expect("(")
    found = [_operand(tokens.next())]
    while tokens.next() == ",":
        found.append(_operand(tokens.next()))
    return found


def _operand(token: str) -> Operand:
    if token.startswith(":"):
        return lambda item, names, bound: bound[token]  # noqa: ARG005  # an operand
    path = [part for part in re.split(r"[.\[\]]", token) if part]

    def look(item: Item, names: Names, bound: Bound) -> Attribute | None:  # noqa: ARG001  # an operand
        found: Any = item.get(names[path[0]] if path[0].startswith("#") else path[0])
        for part in path[1:]:
            if found is None:
                return None
            found = _within(found, names.get(part, part))
        return found  # type: ignore[no-any-return]  # an attribute

    return look


def _within(attribute: Attribute, part: str) -> Any:
    if part.isdecimal():
        listed = attribute.get("L", ())
        return listed[int(part)] if int(part) < len(listed) else None
    return attribute.get("M", {}).get(part)


def _compare(compared: Callable[[Any, Any], bool], left: Attribute | None, right: Attribute | None) -> bool:
    """Values of different types are unequal, and never in order. What is missing compares with nothing."""
    if left is None or right is None:
        return compared is ne
    ((kind, one),), ((other_kind, other),) = left.items(), right.items()
    if kind != other_kind:
        return compared is ne
    if kind == "N":
        one, other = Decimal(one), Decimal(other)
    return compared(one, other)


def _text(attribute: Attribute | None) -> str:
    return str(attribute["S"]) if attribute and "S" in attribute else ""


@cache
def update(text: str) -> list[Change]:
    """Compile an update: changes of a new item, given the old one."""
    tokens, changes = _Tokens(text), list[Change]()
    clause = tokens.next()
    while clause:
        if clause not in _CLAUSES:
            raise InvalidExpressionError(f"{clause!r} is no clause of an update")
        while True:
            changes.append(_change(clause, tokens))
            if tokens.peek() != ",":
                break
            tokens.next()
        clause = tokens.next()
    return changes


def _change(clause: str, tokens: _Tokens) -> Change:
    path = tokens.next()
    if clause == "REMOVE":
        return partial(_remove, path)
    if clause == "SET":
        tokens.expect("=")
        value = _set_value(tokens)

        def put(new: Item, old: Item, names: Names, bound: Bound) -> None:
            new[names.get(path, path)] = value(old, names, bound)

        return put
    name, amount = path, _operand(tokens.next())
    combine = _added if clause == "ADD" else _without

    def combined(new: Item, old: Item, names: Names, bound: Bound) -> None:
        given, real = amount(old, names, bound), names.get(name, name)
        assert given is not None
        found = combine(old.get(real), given)
        if found is None:
            new.pop(real, None)
        else:
            new[real] = found

    return combined


def _remove(path: str, new: Item, old: Item, names: Names, bound: Bound) -> None:  # noqa: ARG001  # a change
    new.pop(names.get(path, path), None)


def _set_value(tokens: _Tokens) -> Operand:
    token = tokens.next()
    if token != "if_not_exists":
        return _operand(token)
    tokens.expect("(")
    path = _operand(tokens.next())
    tokens.expect(",")
    default = _operand(tokens.next())
    tokens.expect(")")
    return lambda item, names, bound: path(item, names, bound) or default(item, names, bound)


def _added(old: Attribute | None, amount: Attribute) -> Attribute:
    if "N" in amount:
        return {"N": str(Decimal(old["N"] if old else 0) + Decimal(amount["N"]))}
    return {"SS": sorted({*(old["SS"] if old else ()), *amount["SS"]})}


def _without(old: Attribute | None, dropped: Attribute) -> Attribute | None:
    """Return a set without some texts; None for an empty one, which DynamoDB does not keep."""
    left = sorted(set(old["SS"]) - set(dropped["SS"])) if old else []
    return {"SS": left} if left else None
