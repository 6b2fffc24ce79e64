"""Converts the texts of a column from the form that the route declares to the form that every kind reads.

A whole column is converted at once if all of its texts are in a regular form. Otherwise each text is converted alone,
with the same result, or is a reject.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from penstock.model.typed_text import Typed
from penstock.model.value_rules import Case
from penstock.tables.column_kinds import Cells, ColumnKind, shown
from penstock.tables.within import Within


class Conversion(ABC):
    """A form of texts."""

    @abstractmethod
    def one(self, text: str) -> str:
        """The text in the usual form. Raises ValueError with a reject's reason."""

    @abstractmethod
    def all(self, texts: Sequence[str]) -> Sequence[str] | None:
        """What `one` returns for each; None if they are not regular enough to convert them at once."""


class ConvertedKind(Within):
    """Another kind, which reads converted texts. ``at_once``: whole columns may be converted at once.

    A column that stores the text needs the text of each value: it must not depend on the other values.
    """

    def __init__(self, kind: ColumnKind, conversion: Conversion, *, at_once: bool) -> None:
        super().__init__(kind)
        self.conversion = conversion
        self.at_once = at_once

    def regular(self, cells: Cells) -> Cells | None:
        texts = self.conversion.all(cells.texts) if self.at_once else None
        if texts is None:
            return None
        converted = Cells(texts)
        return converted if self.kind.accepts(converted) else None

    def accepts(self, cells: Cells) -> bool:
        return self.regular(cells) is not None

    def value(self, text: str) -> object:
        converted = self.conversion.one(text)
        try:
            return self.kind.value(converted)
        except ValueError as error:
            raise ValueError(f"{error} (written as {shown(text)})" if converted != text else str(error)) from None

    def written(self, text: str, value: object) -> str:
        return self.kind.written(self.conversion.one(text), value)


class WordsConversion(Conversion):
    """The words for true and false."""

    def __init__(self, true: Sequence[str], false: Sequence[str]) -> None:
        self.truths: Mapping[str, str] = {**dict.fromkeys(true, "true"), **dict.fromkeys(false, "false")}
        self.known = " or ".join(map(repr, self.truths))

    def one(self, text: str) -> str:
        if isinstance(text, Typed):
            return text
        try:
            return self.truths[text]
        except KeyError:
            raise ValueError(f"{shown(text)} is none of the words for true and false: {self.known}") from None

    def all(self, texts: Sequence[str]) -> Sequence[str] | None:
        if Typed in set(map(type, texts)):
            return None
        try:
            return list(map(self.truths.__getitem__, texts))
        except KeyError:
            return None


class CaseConversion(Conversion):
    """Texts in upper or lower case."""

    def __init__(self, case: Case) -> None:
        self.change = str.upper if case is Case.UPPER else str.lower

    def one(self, text: str) -> str:
        return text if isinstance(text, Typed) else self.change(text)

    def all(self, texts: Sequence[str]) -> Sequence[str] | None:
        return list(map(self.one if Typed in set(map(type, texts)) else self.change, texts))
