"""Uploads that are neither completed nor aborted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penstock.errors import RequestRefusedError
from penstock.model.object import Target
from penstock.model.upload import OpenUpload, Proof, Unfinished, UploadState
from penstock.upload.ports import UploadService


@dataclass(frozen=True, slots=True)
class Known:
    """An unfinished upload: listed by the service, recorded on this machine, or both.

    ``age`` is in seconds, by the service's clock if the service lists the upload.
    """

    target: Target
    id: str
    age: float
    state: UploadState | None = None
    listed: bool = False


def merge(listed: Sequence[Unfinished], states: Sequence[UploadState], now: float) -> list[Known]:
    """Return every unfinished upload once, the oldest first. ``now`` is in Unix seconds."""
    recorded = {state.upload_id: state for state in states if not state.etag}
    known = [Known(found.target, found.id, found.age, recorded.pop(found.id, None), listed=True) for found in listed]
    known += [Known(state.target, state.upload_id, max(0.0, now - state.begun), state) for state in recorded.values()]
    return sorted(known, key=lambda upload: -upload.age)


def choose(known: Sequence[Known], target: Target, upload_id: str = "") -> Known:
    """Return the upload to a key. Raises RequestRefusedError if there is none, or several and no id is given."""
    matches = [upload for upload in known if upload.target == target and upload_id in ("", upload.id)]
    if not matches:
        raise _missing(target, upload_id)
    if len(matches) > 1:
        ids = ", ".join(upload.id for upload in matches)
        raise RequestRefusedError(
            f"there are {len(matches)} unfinished uploads to {target.uri}: {ids}",
            hint="Choose one with --upload-id, or all with --older-than 0s.",
        )
    return matches[0]


def abort(service: UploadService, known: Known) -> None:
    """Abort an upload; its parts are deleted.

    Raises RequestRefusedError for an id that neither the service nor this machine knows.
    """
    existed = service.abort(OpenUpload(known.target, known.id, Proof.CRC32))
    if not (existed or known.listed or known.state):
        raise _missing(known.target, known.id)


def _missing(target: Target, upload_id: str) -> RequestRefusedError:
    which = f"upload {upload_id}" if upload_id else "unfinished upload"
    return RequestRefusedError(
        f"there is no {which} to {target.uri}", hint="List the unfinished uploads with `penstock uploads`."
    )
