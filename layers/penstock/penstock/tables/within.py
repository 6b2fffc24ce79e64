"""Kinds that restrict another one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from penstock.tables.column_kinds import ColumnKind


class Within(ColumnKind):
    """Another kind, within limits."""

    def __init__(self, kind: ColumnKind) -> None:
        self.kind = kind

    def values(self, texts: Sequence[str]) -> Iterable[object]:
        return self.kind.values(texts)

    def text(self, value: object) -> str:
        return self.kind.text(value)

    def written(self, text: str, value: object) -> str:
        return self.kind.written(text, value)
