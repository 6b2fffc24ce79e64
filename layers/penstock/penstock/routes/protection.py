"""Read ``hash`` and ``mask`` of a column: its values are loaded in this form only."""

from __future__ import annotations

import re
from itertools import product

from penstock.model.column import KEEP, Column, ColumnType
from penstock.model.fixed_layout import read_layout
from penstock.model.table import Table, TablePlan
from penstock.routes.fields import Fields

SHA256 = "sha256"


def read_hash(fields: Fields) -> str:
    """Read ``hash``; empty if it is not given."""
    return fields.choice("hash", (SHA256,), SHA256) if fields.has("hash") else ""


def read_mask(fields: Fields) -> str:
    """Read ``mask``; empty if it is not given."""
    mask = fields.text("mask") if fields.has("mask") else ""
    if mask.startswith(KEEP) and not re.fullmatch(f"{KEEP}[1-9][0-9]?", mask):
        raise fields.complain("mask", f'{mask!r}: "{KEEP}4" keeps the last 4 characters; the number is 1 to 99')
    return mask


def check_protection(fields: Fields, column: Column) -> None:
    """Refuse what cannot hold together with a hash or a mask."""
    if column.hash and column.mask:
        raise fields.complain("mask", "is said by hash already: leave one of them out")
    option = "hash" if column.hash else "mask" if column.mask else ""
    if option and column.type is not ColumnType.TEXT:
        raise fields.complain(option, f"makes a text of each value: the type of the column is text, not {column.type}")
    if option and column.metadata:
        raise fields.complain(option, "is for fields: what the source itself is named is on record with its job")


def check_fields(fields: Fields, table: Table) -> None:
    """Refuse a column that holds the field of a protected one, or a part of it, as it is."""
    taken = [column for column in table.columns if not column.metadata and column.name != table.rescue]
    for protected, other in product(taken, taken):
        if not protected.is_protected or other.is_protected:
            continue
        one, two = _path(protected), _path(other)
        if one[: len(two)] == two or two[: len(one)] == one:
            raise fields.complain(
                "columns",
                f"{other.name!r} holds as it is what {protected.name!r} hashes or masks: leave one of them out",
            )


def check_overlaps(fields: Fields, plan: TablePlan) -> None:
    """Refuse a field of a fixed layout that shares characters with a protected one, if it is loaded as it is."""
    if not plan.parse.fields or not plan.protects:
        return
    layout = read_layout(plan.parse.fields)
    places = dict(zip(layout.names, layout.places, strict=True))
    places |= {f"#{number}": place for number, place in enumerate(layout.places, start=1)}
    taken = {column.source or column.name for table in plan.tables for column in table.columns}
    for table in plan.tables:
        columns = {column.source or column.name: column for column in table.columns if not column.metadata}
        loaded = [name for name, column in columns.items() if not column.is_protected and name in places]
        if table.rescue or table.grows:
            loaded += [name for name in layout.names if name not in taken]
        protected = [name for name, column in columns.items() if column.is_protected and name in places]
        for one, other in product(protected, loaded):
            if _overlap(places[one], places[other]):
                raise fields.complain(
                    "parse.fields",
                    f"{other!r} has characters of {one!r}, which is hashed or masked, and is loaded as it is: "
                    "let their positions not overlap",
                )


def _overlap(one: slice, two: slice) -> bool:
    return (one.stop is None or two.start < one.stop) and (two.stop is None or one.start < two.stop)


def _path(column: Column) -> tuple[str, ...]:
    return tuple(re.split("[./]", column.source)) if column.source else (column.name,)
