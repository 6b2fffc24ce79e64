"""Uploads that were begun and are neither completed nor aborted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penstock.errors import RequestRefusedError
from penstock.model.object import Target
from penstock.model.upload import OpenUpload, Proof, Unfinished, UploadState
from penstock.upload.ports import UploadService


@dataclass(frozen=True, slots=True)
class Known:
    """One unfinished upload: as the service lists it, as this machine remembers it, or both.

    ``age`` is in seconds, by the service's clock where it lists the upload.
    """

    target: Target
    id: str
    age: float
    state: UploadState | None = None
    listed: bool = False


def merge(listed: Sequence[Unfinished], states: Sequence[UploadState], now: float) -> list[Known]:
    """Every unfinished upload once, the oldest first. ``now`` is in Unix seconds."""
    mine = {state.upload_id: state for state in states if not state.etag}
    known = [Known(one.target, one.id, one.age, mine.pop(one.id, None), listed=True) for one in listed]
    known += [Known(state.target, state.upload_id, max(0.0, now - state.begun), state) for state in mine.values()]
    return sorted(known, key=lambda one: -one.age)


def choose(known: Sequence[Known], target: Target, upload_id: str = "") -> Known:
    """The one upload to this very key. Raises RequestRefusedError if there is none, or several and no id."""
    here = [one for one in known if one.target == target and upload_id in ("", one.id)]
    if not here:
        which = f"upload {upload_id}" if upload_id else "unfinished upload"
        raise RequestRefusedError(f"there is no {which} to {target.uri}", hint="`penstock uploads` lists them.")
    if len(here) > 1:
        ids = ", ".join(one.id for one in here)
        raise RequestRefusedError(
            f"there are {len(here)} unfinished uploads to {target.uri}: {ids}",
            hint="Choose one with --upload-id, or all with --older-than 0s.",
        )
    return here[0]


def abort(service: UploadService, known: Known) -> None:
    """End one upload; its parts are deleted."""
    service.abort(OpenUpload(known.target, known.id, Proof.CRC32))
