"""Names of Iceberg tables."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from penstock.errors import InvalidTableError

_PART = re.compile(r"[^\x00-\x1f\x7f/\\.]{1,255}")
_MAX_PARTS = 16


@dataclass(frozen=True, slots=True)
class TableName:
    """``namespace.table``; the namespace may have several parts."""

    namespace: tuple[str, ...]
    table: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises InvalidTableError."""
        *namespace, table = text.split(".")
        if not namespace or len(namespace) > _MAX_PARTS or not all(map(_PART.fullmatch, (*namespace, table))):
            raise InvalidTableError(
                f"{text!r} is not the name of an Iceberg table", hint="Write namespace.table, such as sales.orders."
            )
        return cls(tuple(namespace), table)

    def __str__(self) -> str:
        return ".".join((*self.namespace, self.table))

    @property
    def single_namespace(self) -> str:
        """The namespace, for catalogs whose namespaces have one part. Raises InvalidTableError for several parts."""
        if len(self.namespace) != 1:
            raise InvalidTableError(
                f"{self} has a namespace of {len(self.namespace)} parts",
                hint="Namespaces of Glue and of S3 Tables have one part.",
            )
        return self.namespace[0]
