"""The state file of an upload: one JSON object."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TypeVar

from penstock.errors import StateFileError
from penstock.model.object import Target
from penstock.model.upload import FileIdentity, Proof, UploadState

VERSION = 1

T = TypeVar("T")


def to_text(state: UploadState) -> str:
    """Serialise a state."""
    return json.dumps({"penstock_upload": VERSION, **asdict(state)}, indent=1) + "\n"


def from_text(text: str, path: str) -> UploadState:
    """Parse a state. Raises StateFileError, which names ``path``, for any other text."""
    try:
        fields = json.loads(text)
        version = fields.pop("penstock_upload")
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise StateFileError(f"{path} is damaged, or is not the state of an upload") from error
    if version != VERSION:
        raise StateFileError(
            f"{path} is an upload state of version {version}; this release of Penstock reads version {VERSION}"
        )
    try:
        return _state(fields)
    except (ValueError, KeyError, TypeError) as error:
        raise StateFileError(f"{path} is damaged: a field is missing or invalid ({error})") from error


def _state(fields: dict[str, object]) -> UploadState:
    texts = {name: _typed(fields[name], str) for name in ("source", "endpoint", "upload_id", "etag")}
    identity, target = _typed(fields["identity"], dict), _typed(fields["target"], dict)
    return UploadState(
        source=texts["source"],
        identity=FileIdentity(
            size=_typed(identity["size"], int),
            mtime_ns=_typed(identity["mtime_ns"], int),
            inode=_typed(identity["inode"], int),
            samples=tuple(_typed(sample, str) for sample in _typed(identity["samples"], list)),
        ),
        target=Target(_typed(target["bucket"], str), _typed(target["key"], str)),
        endpoint=texts["endpoint"],
        begun=float(_typed(fields["begun"], float)),
        part_size=_positive(fields["part_size"]),
        upload_id=texts["upload_id"],
        proof=Proof(_typed(fields["proof"], str)),
        etag=texts["etag"],
    )


def _typed(value: object, kind: type[T]) -> T:
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} is not of type {kind.__name__}")
    return value


def _positive(value: object) -> int:
    number = _typed(value, int)
    if number <= 0:
        raise ValueError(f"{number} is not a valid size")
    return number


def changes(then: FileIdentity, now: FileIdentity) -> str:
    """Describe how a file has changed; empty if it has not.

    A different inode alone is not a change: some file systems assign new ones after every mount, and each part is
    compared with the file's bytes before it counts as sent.
    """
    if then.size != now.size:
        return f"its size was {then.size:,} bytes and is now {now.size:,}"
    if then.mtime_ns != now.mtime_ns:
        return "its modification time is different"
    if then.samples != now.samples:
        return "its content is different"
    return ""
