"""What every catalog does: it names the current metadata of a table, and replaces it by compare-and-swap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from penstock.destinations.iceberg.names import TableName


@dataclass(frozen=True, slots=True)
class LoadedTable:
    """The current metadata of a table. ``location`` is the URI of the metadata file. ``token`` is what the catalog
    compares in a commit: the version of a Glue table, for example."""

    name: TableName
    document: Mapping[str, Any]
    location: str = ""
    token: Any = None


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a table, twice: as ``requirements`` and ``updates`` of the REST spec, and as the ``document`` that
    they lead to, for catalogs that store only where the metadata is."""

    requirements: Sequence[Mapping[str, Any]]
    updates: Sequence[Mapping[str, Any]]
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NewTable:
    """A table to be created: schema and partition spec as the REST spec writes them. An empty ``location`` leaves the
    choice to the catalog."""

    name: TableName
    schema: Mapping[str, Any]
    partition_spec: Mapping[str, Any]
    location: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)


class Catalog(Protocol):
    """All methods raise InvalidTableError, AccessDeniedError, ConfigurationError and ServiceUnavailableError."""

    def load(self, name: TableName, *, history: bool = False) -> LoadedTable | None:
        """Return the current metadata, or None if there is no table. Without ``history`` the entries of snapshots and
        of logs are None.

        Raises InvalidTableError for a view, for a table that is not Iceberg's, and for metadata that is too large.
        """

    def create(self, table: NewTable) -> None:
        """Create a table. Raises PublishConflictError if it exists, DestinationMissingError without its namespace."""

    def commit(self, base: LoadedTable, change: Change) -> None:
        """Make ``change`` current if ``base`` still is.

        Raises PublishConflictError if it is not, and CommitInDoubtError if the answer was lost: the change may be in,
        or may still go in as long as ``base`` is current.
        """
