"""The record of a connection: what stood before connect changed it, and what connect has set.

A file of the user's machine, or of --backup. What has a name of connect's own (notifications, statements, grants) is
found without it; for EventBridge and for a subscription, only the record tells whose they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from penstock.connect.ports import RecordFile
from penstock.errors import StateFileError

_KIND, _VERSION = "penstock connection", 1
# Each --apply that changes something adds one.
_MOST = 100


@dataclass(slots=True)
class Record:
    """``before`` has one entry for each change, the oldest first: when, which setting, and its value until then.

    ``prefixes`` are connected: they share what is set for the whole bucket.
    """

    connection: str
    before: list[dict[str, Any]] = field(default_factory=list)
    eventbridge: bool = False
    subscriptions: dict[str, str] = field(default_factory=dict)
    prefixes: list[str] = field(default_factory=list)

    def keep(self, setting: str, value: object, at: str) -> None:
        """Remember the value of a setting that is about to be changed."""
        self.before = [*self.before, {"at": at, "setting": setting, "value": value}][-_MOST:]


def load(file: RecordFile, connection: str) -> Record:
    """Return the record, or a new one. Raises StateFileError for a file of another connection."""
    text = file.load()
    if text is None:
        return Record(connection)
    try:
        stored = json.loads(text)
        found = Record(
            stored["connection"],
            stored["before"],
            stored["eventbridge"],
            dict(stored["subscriptions"]),
            list(stored["prefixes"]),
        )
        readable = (stored["kind"], stored["version"]) == (_KIND, _VERSION)
    except (ValueError, KeyError, TypeError) as error:
        raise StateFileError(f"{file.path} is not a record of a connection", hint=_HINT) from error
    if not readable or found.connection != connection:
        raise StateFileError(f"{file.path} is the record of {found.connection}, not of {connection}", hint=_HINT)
    return found


_HINT = "Name another file with --backup."


def save(file: RecordFile, record: Record) -> None:
    """Write the record, before the change that it is about."""
    stored: Mapping[str, Any] = {
        "kind": _KIND,
        "version": _VERSION,
        "connection": record.connection,
        "before": record.before,
        "eventbridge": record.eventbridge,
        "subscriptions": record.subscriptions,
        "prefixes": record.prefixes,
    }
    file.save(json.dumps(stored, indent=2))
