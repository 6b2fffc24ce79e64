"""The forms in which checked rows travel to a destination. A destination names a form; the registry defines it.

Rows travel in columns. A form decides what a column holds: texts, Python values, or later an Arrow array.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.model.load import Rows
from penstock.model.record import CsvValidator
from penstock.model.table import Form as Form  # noqa: PLC0414  # mypy wants an alias on what is passed on
from penstock.model.table import Table
from penstock.tables.arrow_csv import arrow_csv_validator
from penstock.tables.raw_csv import csv_validator

if TYPE_CHECKING:
    from penstock.tables.column_kinds import ColumnKind


def unchanged(rows: Rows) -> Rows:
    """The rows as they are."""
    return rows


@dataclass(frozen=True, slots=True)
class RowForm:
    """What checked rows hold.

    ``values(kind, texts)``: the column of texts that are all in the common form. None: the texts themselves travel, by
    reference. ``value(kind, text, value, as_written)``: one value that was read from ``text``. With ``as_written``, its
    column stores the text as it is. ``raw_csv`` creates what recognises rows that may also travel as valid CSV (see
    `penstock.tables.raw_csv`).
    ``finish`` completes the rows of a batch, for example columns to one Arrow batch. ``texts``: the form of columns
    that hold texts, if it is another one.
    """

    value: Callable[[ColumnKind, str, object, bool], object]
    values: Callable[[ColumnKind, Sequence[str]], Iterable[object]] | None = None
    raw_csv: Callable[[Table, Sequence[str], str, str], CsvValidator | None] | None = None
    finish: Callable[[Rows], Rows] = unchanged
    texts: RowForm | None = None


def _text(kind: ColumnKind, text: str, value: object, as_written: bool) -> object:  # as RowForm says
    return text if as_written else kind.written(text, value)


def _value(kind: ColumnKind, text: str, value: object, as_written: bool) -> object:  # noqa: ARG001  # as RowForm says
    return value


def _values(kind: ColumnKind, texts: Sequence[str]) -> Iterable[object]:
    return kind.values(texts)


# The registry: one line for each form.
_TEXTS = RowForm(_text, raw_csv=csv_validator)
FORMS: dict[Form, RowForm] = {
    Form.TEXT: _TEXTS,
    Form.VALUE: RowForm(_value, _values),
    Form.ARROW: RowForm(_value, _values, raw_csv=arrow_csv_validator, texts=_TEXTS),
}
