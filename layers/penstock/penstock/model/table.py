"""Destination tables as routes declare them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from penstock.model.column import Column
from penstock.model.file_options import NO_FILE_OPTIONS, FileOptions
from penstock.model.parse_options import ParseOptions
from penstock.model.serialization import OMIT_DEFAULT
from penstock.model.sheet_names import SHEET_FIELD


class Form(StrEnum):
    """The name of a form. TEXT: texts as PostgreSQL reads them. VALUE: Python values. ARROW: Python values, and the
    texts of JSON, for batches of Arrow."""

    TEXT = "text"
    VALUE = "value"
    ARROW = "arrow"


class Mode(StrEnum):
    """APPEND adds rows; UPSERT inserts or updates by key; REPLACE swaps the whole content at the end."""

    APPEND = "append"
    UPSERT = "upsert"
    REPLACE = "replace"


class Evolve(StrEnum):
    """What becomes of fields that the table has no column for: FAIL ends the load, IGNORE leaves them out, ADD makes
    them nullable columns, and WIDEN also gives a column of numbers a wider type. Without any: a route that declares
    columns ignores other fields; one that infers them fails if the table lacks a field of the sample, and ignores
    fields that first appear after it."""

    FAIL = "fail"
    IGNORE = "ignore"
    ADD = "add"
    WIDEN = "widen"


@dataclass(frozen=True, slots=True)
class Table:
    """A destination table. ``name`` may be qualified by a schema. Without ``columns`` they are inferred from
    header and sample, with these ``nulls``, and then fixed for the job. ``create``: create a missing table, unless its
    columns are ``guessed``, because no record has shown their types. ``atomic``: append or upsert all rows in one
    transaction at the end. ``inferred``: the columns are those of a sample; ``spare`` are other columns of the table,
    for fields that appear after the sample. ``rescue`` is the column that keeps what no other one takes, as one JSON
    object for each row; with ``rescue_values`` also values of the wrong type. ``files``: options of the files of
    destinations that write some. ``replaces``: what a new version of the source replaces, the whole table or the
    partitions that it has rows for."""

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
    evolve: Evolve | None = field(default=None, metadata=OMIT_DEFAULT)
    rescue: str = field(default="", metadata=OMIT_DEFAULT)
    rescue_values: bool = field(default=False, metadata=OMIT_DEFAULT)
    files: FileOptions = field(default=NO_FILE_OPTIONS, metadata=OMIT_DEFAULT)
    replaces: str = field(default="", metadata=OMIT_DEFAULT)

    def __hash__(self) -> int:
        # Tables are keys of dictionaries, once for each batch; a hash of all columns takes as long as a batch.
        return hash(self.name)

    @property
    def grows(self) -> bool:
        """Whether new fields become columns."""
        return self.evolve in (Evolve.ADD, Evolve.WIDEN)

    @property
    def staged(self) -> bool:
        """Whether a load becomes visible only when it is complete."""
        return self.atomic or self.mode is Mode.REPLACE

    @property
    def protects(self) -> bool:
        """Whether a column is hashed or masked."""
        return any(column.is_protected for column in self.columns)


@dataclass(frozen=True, slots=True)
class Choice:
    """Records routed by a field: ``tables`` maps its values to tables; the row is in the field ``payload`` (empty:
    the record itself). Values without a table are rejected, or ignored with ``ignore_unknown``."""

    field: str
    tables: Mapping[str, Table]
    payload: str = ""
    ignore_unknown: bool = False

    @property
    def by_sheet(self) -> bool:
        """Whether whole sheets are routed, by their names and patterns."""
        return self.field == SHEET_FIELD


@dataclass(frozen=True, slots=True)
class TablePlan:
    """How a route loads records: into one table, or by choice into several. ``max_rejects`` below 1 is a share of
    the records, otherwise a count. ``key_pattern`` is a regular expression whose groups columns take from the key."""

    parse: ParseOptions
    table: Table | None = None
    choice: Choice | None = None
    max_rejects: float = 0
    key_pattern: str = field(default="", metadata=OMIT_DEFAULT)

    @property
    def protects(self) -> bool:
        """Whether a column is hashed or masked, so that no raw text of a record may be kept."""
        return any(table.protects for table in self.tables)

    @property
    def metadata(self) -> frozenset[str]:
        """The values of the source that columns hold."""
        return frozenset(column.metadata for table in self.tables for column in table.columns if column.metadata)

    @property
    def tables(self) -> tuple[Table, ...]:
        """The tables, each once, in the order of the plan."""
        if self.table:
            return (self.table,)
        return tuple(dict.fromkeys(self.choice.tables.values())) if self.choice else ()

    def placed(self, places: Mapping[str, str]) -> TablePlan:
        """Return the plan with other names of its tables, by their names."""

        def at(table: Table) -> Table:
            return replace(table, name=places.get(table.name, table.name))

        choice = self.choice and replace(
            self.choice, tables={value: at(table) for value, table in self.choice.tables.items()}
        )
        return replace(self, table=self.table and at(self.table), choice=choice)
