"""The kinds of places to deliver to: a folder each, and one line each in the registry below.

Importing this imports no client of any service: a destination is opened when the first row comes.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

from penstock.destinations.bucket.destination import BUCKET
from penstock.destinations.declaration import Destination
from penstock.destinations.dynamodb.destination import DYNAMODB
from penstock.destinations.iceberg.destination import ICEBERG
from penstock.destinations.parquet.destination import PARQUET
from penstock.destinations.postgres.destination import POSTGRESQL
from penstock.errors import ConfigurationError

if TYPE_CHECKING:
    from penstock.destinations.environment import Environment
    from penstock.destinations.ports import TableStore

__all__ = [
    "DESTINATIONS",
    "Destination",
    "commits_later",
    "destination_named",
    "examples",
    "find_destination",
    "open_tables",
    "register",
]

DESTINATIONS: dict[str, Destination] = {}


def register(destination: Destination) -> None:
    """Make a destination known by its name and by the prefix of its URIs."""
    DESTINATIONS[destination.name] = destination


register(BUCKET)
register(POSTGRESQL)
register(DYNAMODB)
register(PARQUET)
register(ICEBERG)


def find_destination(uri: str) -> Destination | None:
    """The destination of a URI or of a route's template; None when no destination has such a prefix."""
    return next((found for found in DESTINATIONS.values() if found.owns(uri)), None)


def destination_named(name: str) -> Destination:
    """The destination of a name. Raises ConfigurationError that lists the known names."""
    if name not in DESTINATIONS:
        raise ConfigurationError(
            f"unknown destination {name!r}", hint=f"This release knows {', '.join(sorted(DESTINATIONS))}."
        )
    return DESTINATIONS[name]


def commits_later(name: str) -> bool:
    """Whether the rows of a source become visible by a commit of their table. Archives have no destination."""
    return name in DESTINATIONS and DESTINATIONS[name].commits_later


def examples() -> str:
    """How destinations are written, for messages: ``s3://bucket/key, postgresql:table or dynamodb:table``."""
    *others, last = [found.example for found in DESTINATIONS.values()]
    return f"{', '.join(others)} or {last}"


def open_tables(destination: Destination, environment: Environment) -> TableStore:
    """Open a destination that takes rows. Raises ConfigurationError when the environment lacks what it needs."""
    if not destination.tables:
        raise ConfigurationError(f"{destination.name} takes objects, not rows")
    return cast("TableStore", import_module(destination.tables).open_tables(environment))
