"""Reads one column of texts: at once if all are in the common form, otherwise one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from penstock.model.column import Column, ColumnType
from penstock.model.record import Batch, Reject
from penstock.model.table import Table
from penstock.model.typed_text import Typed
from penstock.model.value_rules import Trim
from penstock.tables.column_kinds import Cells, ColumnKind
from penstock.tables.conversions import ConvertedKind
from penstock.tables.forms import RowForm
from penstock.tables.kind_choice import holds_texts, kind_of, stays_raw

# The texts of a piece.
PIECE = 256

# How texts are trimmed.
STRIPS: Mapping[Trim, Callable[[str], str]] = {
    Trim.BOTH: str.strip,
    Trim.LEFT: str.lstrip,
    Trim.RIGHT: str.rstrip,
}

MISSING = "is null, but may not be"


@dataclass(slots=True)
class RejectReasons:
    """Why records are rejected, by their position in the batch. The first reason of each record counts."""

    reasons: dict[int, tuple[str, str]] = field(default_factory=dict)

    def add(self, position: int, column: str, reason: str) -> None:
        self.reasons.setdefault(position, (column, reason))

    def rejects(self, batch: Batch) -> Iterator[Reject]:
        """In the order of the records."""
        for position, (column, reason) in sorted(self.reasons.items()):
            yield Reject(batch.position(position), reason, column)


class ColumnReader:
    """Reads one column."""

    def __init__(self, column: Column, table: Table, form: RowForm, *, json: bool) -> None:
        self.name = column.name
        self.required = column.name in table.key or not column.nullable
        self.nulls = frozenset(column.nulls)
        if json and column.type is ColumnType.TEXT and not column.metadata:
            self.nulls -= {""}
        self.kind: ColumnKind = kind_of(column)
        self.is_converted = isinstance(self.kind, ConvertedKind)
        self.as_written = stays_raw(column)
        self.json = json
        self.rules = column.rules
        self.default = default_of(column)
        self.prepares = self.default is not None or bool(self.rules.trim)
        # Null tokens that are also valid values of the column. They must be searched for.
        self.plausible = [token for token in self.nulls if self.kind.accepts(Cells([token]))]
        self.form = form.texts if form.texts and holds_texts(column) else form

    def read(self, texts: Sequence[str | None], faults: RejectReasons) -> tuple[Sequence[object], bool]:
        """The column in the wanted form, and whether it is known to hold no None. Bad positions hold None, and are
        reported."""
        if self.prepares:
            texts = self._prepared(texts)
        if any(token in texts for token in self.plausible):
            texts = self._without_nulls(texts)
        cells = self._accepted(texts)
        if not cells and self.nulls:
            texts = self._without_nulls(texts)
            cells = self._accepted(texts)
        if not cells:
            if self.is_converted and len(texts) > PIECE:
                return list(self._in_pieces(texts, faults)), False
            return [self._one(position, text, faults) for position, text in enumerate(texts)], False
        full = len(cells.texts) == len(texts)
        values: Iterable[object] = cells.texts
        if self.form.values is not None:
            values = self.form.values(self.kind, cells.texts)
        elif not self.is_converted:
            return texts, full
        if full:
            return list(values), True
        found = iter(values)
        return [None if text is None else next(found) for text in texts], False

    def _in_pieces(self, texts: Sequence[str | None], faults: RejectReasons) -> Iterator[object]:
        """A column to convert, of which some texts are bad or in an unusual form: only pieces with such texts are read
        one by one."""
        for start in range(0, len(texts), PIECE):
            found = RejectReasons()
            yield from self.read(texts[start : start + PIECE], found)[0]
            for position, (column, reason) in found.reasons.items():
                faults.add(start + position, column, reason)

    def _prepared(self, texts: Sequence[str | None]) -> Sequence[str | None]:
        """Without the white space that the route removes, and with its default. JSON has a null of its own, which
        stays null; where a field is absent, `RowConverter` puts the default."""
        strip = STRIPS.get(self.rules.trim)
        if strip:
            texts = [text if text is None or isinstance(text, Typed) else strip(text) for text in texts]
        if self.default is None:
            return texts
        nulls = self.nulls if self.json else self.nulls | {None}
        return [self.default if text in nulls else text for text in texts]

    def read_alike(self, texts: Sequence[str | None], faults: RejectReasons) -> tuple[Sequence[object], bool]:
        """As `read`, for a text that is repeated."""
        only = RejectReasons()
        column, is_full = self.read(texts[:1], only)
        return self.read(texts, faults) if only.reasons else (list(column) * len(texts), is_full)

    def _accepted(self, texts: Sequence[str | None]) -> Cells | None:
        """The values that are not null, in the common form, if all are or can be converted at once."""
        try:
            cells = Cells(cast("Sequence[str]", texts))
        except TypeError:  # nothing finds a None as fast
            if self.required:
                return None
            cells = Cells([text for text in texts if text is not None])
        return self.kind.regular(cells) if cells.texts else cells

    def _without_nulls(self, texts: Sequence[str | None]) -> Sequence[str | None]:
        return [None if text in self.nulls else text for text in texts]

    def _one(self, position: int, text: str | None, faults: RejectReasons) -> object:
        try:
            value = None if text is None else self.kind.value(text)
            written = value if text is None or value is None else self._in_form(text, value)
        except ValueError as error:
            faults.add(position, self.name, str(error))
            return None
        if value is None and self.required:
            faults.add(position, self.name, MISSING)
        return written

    def _in_form(self, text: str, value: object) -> object:
        return self.form.value(self.kind, text, value, self.as_written)


def default_of(column: Column) -> Typed | None:
    """The text for a field that is absent or empty; None without a default."""
    return None if column.rules.default is None else Typed(column.rules.default)
