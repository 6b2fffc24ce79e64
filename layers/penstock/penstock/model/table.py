"""Destination tables as routes declare them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from penstock.model.column import Column
from penstock.model.parse_options import ParseOptions


class Form(StrEnum):
    """The name of a form. TEXT: texts as PostgreSQL reads them. VALUE: Python values."""

    TEXT = "text"
    VALUE = "value"


class Mode(StrEnum):
    """APPEND adds rows; UPSERT inserts or updates by key; REPLACE swaps the whole content at the end."""

    APPEND = "append"
    UPSERT = "upsert"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class Table:
    """A destination table. ``name`` may be qualified by a schema. Without ``columns`` they are inferred from
    header and sample, with these ``nulls``, and then fixed for the job. ``create``: create a missing table, unless its
    columns are ``guessed``, because no record has shown their types. ``atomic``: append or upsert all rows in one
    transaction at the end. ``inferred``: the columns are those of a sample; ``spare`` are other columns of the table,
    for fields that appear after the sample."""

    name: str
    columns: tuple[Column, ...] = ()
    mode: Mode = Mode.APPEND
    key: tuple[str, ...] = ()
    create: bool = False
    nulls: tuple[str, ...] = ("",)
    guessed: bool = False
    atomic: bool = False
    inferred: bool = False
    spare: tuple[Column, ...] = ()

    @property
    def staged(self) -> bool:
        """Whether a load becomes visible only when it is complete."""
        return self.atomic or self.mode is Mode.REPLACE


@dataclass(frozen=True, slots=True)
class Choice:
    """Records routed by a field: ``tables`` maps its values to tables; the row is in the field ``payload`` (empty:
    the record itself). Values without a table are rejected, or ignored with ``ignore_unknown``."""

    field: str
    tables: Mapping[str, Table]
    payload: str = ""
    ignore_unknown: bool = False


@dataclass(frozen=True, slots=True)
class TablePlan:
    """How a route loads records: into one table, or by choice into several. ``max_rejects`` below 1 is a share of
    the records, otherwise a count."""

    parse: ParseOptions
    table: Table | None = None
    choice: Choice | None = None
    max_rejects: float = 0
