"""Metadata files, for catalogs that store only where the current one is: Glue and SQL."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from penstock.destinations.iceberg.metadata import MAX_METADATA, check_size, inflate, normalized, parse
from penstock.destinations.iceberg.names import TableName
from penstock.destinations.iceberg.storage import Storage
from penstock.errors import CommitInDoubtError, DestinationMissingError, InvalidTableError, PenstockError, noting

_VERSION = re.compile(r".*/v?([0-9]{1,9})[-.][^/]*")


def read_metadata(storage: Storage, name: TableName, uri: str, *, history: bool) -> dict[str, Any]:
    """Raises InvalidTableError for a file that is missing, too large or damaged; access errors name the file."""
    try:
        data = storage.read(uri, MAX_METADATA)
    except DestinationMissingError as error:
        raise InvalidTableError(
            f"the metadata file of {name} is missing: {error}", hint="Repair the table, or drop it from its catalog."
        ) from error
    check_size(str(name), uri, len(data))
    return normalized(parse(str(name), uri, inflate(str(name), uri, data), history=history))


def write_metadata(storage: Storage, document: Mapping[str, Any], previous: str = "") -> str:
    """Write a metadata file under a new name, and return its URI. Names are those of other writers:
    ``<version>-<uuid>.metadata.json``."""
    properties = document.get("properties") or {}
    folder = properties.get("write.metadata.path") or f"{document['location'].rstrip('/')}/metadata"
    found = _VERSION.fullmatch(previous)
    version = int(found[1]) + 1 if found else 0
    uri = f"{folder.rstrip('/')}/{version:05}-{uuid.uuid4()}.metadata.json"
    storage.write(uri, json.dumps(document, separators=(",", ":")).encode())
    return uri


@contextmanager
def deleting_unused(
    storage: Storage, uri: str, *, may_be_used: Callable[[PenstockError], bool] = lambda _: False
) -> Iterator[None]:
    """Delete a metadata file that was surely refused. One whose commit is in doubt stays: it may be the current one."""
    try:
        yield
    except CommitInDoubtError:
        raise
    except PenstockError as error:
        if not may_be_used(error):
            with noting(error, f"deleting {uri} failed"):
                storage.delete(uri)
        raise
