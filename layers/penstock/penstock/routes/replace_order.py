"""Find routes by which several objects replace the same table in no order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from penstock.model.route import ORDER_TABLE, Route
from penstock.model.table import Mode
from penstock.routes.patterns import tokens


def unordered_replacements(routes: Iterable[Route]) -> Iterator[tuple[Route, str]]:
    """Yield each route whose keys may replace one table, with the name of the table: the job that ends last wins."""
    for route in routes:
        replaced = [table.name for table in route.plan.tables if table.mode is Mode.REPLACE] if route.plan else []
        several = len(route.match) > 1 or any(map(_is_wild, tokens(route.match[0])))
        if replaced and several and route.order != ORDER_TABLE:
            yield route, replaced[0]


def _is_wild(part: str) -> bool:
    """Whether a part of a pattern matches several characters."""
    return len(part) > 1 or part in "*?"
