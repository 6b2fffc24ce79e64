"""Uploads from this machine: the use cases of `penstock.upload` on S3 and on local files."""

from __future__ import annotations

import mimetypes
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from penstock.aws.access import Access
from penstock.aws.endpoint import endpoint_of
from penstock.aws.s3.transfer_client import transfer_client
from penstock.errors import StateFileError
from penstock.files.state_file import hold_state, read_state, states_in
from penstock.model.identity import digest
from penstock.model.object import Content, Target
from penstock.model.upload import UploadState
from penstock.upload.local_source import PipeReader, named, open_file
from penstock.upload.memory_limit import memory_limit
from penstock.upload.parts import FileParts, plan_file, plan_stream
from penstock.upload.ports import TransferProgress
from penstock.upload.s3_service import S3UploadService
from penstock.upload.state import from_text
from penstock.upload.stream import upload_stream
from penstock.upload.unfinished import Known, abort, choose, merge
from penstock.upload.uploader import Uploader, UploadRequest, UploadResult, check_key

__all__ = ["Known", "Transfers", "UploadRecord", "UploadResult"]


@dataclass(frozen=True, slots=True)
class UploadRecord:
    """The unfinished uploads recorded on this machine, and the state files that cannot be read, with the reason."""

    states: dict[Path, UploadState] = field(default_factory=dict)
    unreadable: dict[Path, str] = field(default_factory=dict)


class Transfers:
    """The uploads of one command, whose states are in the folder ``states``. ``close`` closes its connections.

    Raises ConfigurationError for an invalid profile or endpoint. Nothing is sent before a method is called.
    """

    def __init__(
        self,
        progress: TransferProgress,
        *,
        states: Path,
        profile: str = "",
        region: str = "",
        endpoint_url: str = "",
        threads: int = 1,
    ) -> None:
        self._access = Access(profile, region, endpoint_url)
        client = transfer_client(self._access, threads, send_seconds=20)
        self._endpoint = endpoint_of(client)
        self._service = S3UploadService(client)
        self._progress = progress
        self._threads = threads
        self._states = states
        self._uploader = Uploader(self._service, progress, threads=threads, endpoint=self._endpoint)
        self._complete: list[Path] = []

    def close(self) -> None:
        """Close the connections to S3."""
        self._access.close()

    def plan(self, path: Path, target: Target, *, part_size: int = 0) -> FileParts:
        """Plan the parts of a file. Raises FileError, and the errors of an invalid size, part size or key."""
        check_key(target)
        with open_file(path) as source:
            return plan_file(source.identity.size, part_size=part_size)

    def state_of(self, path: Path, target: Target) -> Path:
        """Return the default state file of an upload."""
        return self._states / f"{digest(str(named(path)), self._endpoint, target.uri)}.json"

    def send(
        self,
        path: Path,
        target: Target,
        *,
        state: Path | None = None,
        part_size: int = 0,
        restart: bool = False,
        one_of_several: bool = False,
    ) -> UploadResult:
        """Send a file, or resume its upload: `Uploader.upload`. ``one_of_several``: its state stays until `forget`."""
        state = state or self.state_of(path, target)
        with open_file(path) as source, hold_state(state, f"{path} to {target.uri}") as held:
            request = UploadRequest(source, target, _content(target), part_size, restart)
            sent = self._uploader.upload(request, held, keep_state=one_of_several)
        if one_of_several:
            self._complete.append(state)
        return sent

    def send_pipe(self, descriptor: int, target: Target, *, part_size: int = 0) -> UploadResult:
        """Send a pipe to its end: `upload_stream`."""
        return upload_stream(
            PipeReader(descriptor),
            target,
            _content(target),
            service=self._service,
            progress=self._progress,
            plan=plan_stream(self._threads, part_size=part_size, memory=memory_limit()),
        )

    def forget(self) -> None:
        """Remove the states of all files, once all uploads of a command are complete."""
        for state in self._complete:
            state.unlink(missing_ok=True)

    def unfinished(self, below: Target) -> list[Known]:
        """Return the unfinished uploads under a prefix, listed by the service or recorded on this machine."""
        listed = self._service.unfinished(below.bucket, below.key)
        states = [
            state
            for state in upload_records(self._states).states.values()
            if state.target.bucket == below.bucket
            and state.target.key.startswith(below.key)
            and state.endpoint == self._endpoint
        ]
        return merge(listed, states, time.time())

    def find(self, target: Target, upload_id: str) -> Known:
        """Return the unfinished upload to a key. With its id, nothing is listed: a listing may not be allowed."""
        if upload_id:
            states = upload_records(self._states).states.values()
            state = next((state for state in states if state.upload_id == upload_id), None)
            return Known(target, upload_id, 0.0, state)
        return choose(self.unfinished(target), target)

    def abort(self, known: Known) -> None:
        """Abort an upload and remove its state. Raises UploadInProgressError while a local process works on it."""
        file = next((p for p, s in upload_records(self._states).states.items() if s.upload_id == known.id), None)
        if file is None:
            abort(self._service, known)
            return
        with hold_state(file, f"{known.state.source if known.state else file} to {known.target.uri}") as held:
            abort(self._service, known)
            held.remove()


class CallbackProgress:
    """Implements ``TransferProgress`` with a function that is called with the number of bytes sent."""

    def __init__(self, moved: Callable[[int], None] | None) -> None:
        self._moved = moved

    def add(self, size: int) -> None:
        if self._moved:
            self._moved(size)

    def skip(self, size: int) -> None:
        self.add(size)

    def tell(self, line: str) -> None:
        """Ignored: notices are for a terminal."""


def upload_states() -> Path:
    """Return the folder for states of unfinished uploads, in the user's data directory."""
    from platformdirs import user_data_path  # noqa: PLC0415  # the command's, not in the layer

    return user_data_path("penstock", appauthor=False) / "uploads"


def upload_records(folder: Path) -> UploadRecord:
    """Read every state file of a folder whose upload is not complete."""
    found = UploadRecord()
    for path in states_in(folder):
        try:
            text = read_state(path)
            state = from_text(text, str(path)) if text is not None else None
        except StateFileError as error:
            found.unreadable[path] = str(error)
        else:
            if state and not state.etag:
                found.states[path] = state
    return found


def _content(target: Target) -> Content:
    guessed, encoding = mimetypes.guess_type(target.key)
    return Content(guessed) if guessed and not encoding else Content()
