"""Upload a file so that any interruption can be resumed.

The service's list of parts decides what to send; the state file records only the upload's id. A listed part with the
size and the checksum of the file's bytes is kept; any other part is sent again. So the object always holds the file's
bytes, whatever happened between two runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from penstock.aws.s3.body import PIECE, FileBody, crc32_of
from penstock.errors import (
    AccessDeniedError,
    FileChangedError,
    PenstockError,
    PermanentError,
    PublishConflictError,
    RequestRefusedError,
    StateFileError,
)
from penstock.limits import S3, S3Limits
from penstock.model.object import Content, Target
from penstock.model.upload import ExistingPart, Proof, SentPart, UploadState
from penstock.upload.content import joined, same_object, same_part
from penstock.upload.parts import FileParts, plan_file
from penstock.upload.ports import LocalSource, StateFile, TransferProgress, UploadService
from penstock.upload.state import changes, from_text, to_text
from penstock.upload.worker_pool import Buffer, WorkerPool


@dataclass(frozen=True, slots=True)
class UploadRequest:
    """What to send where. ``part_size`` 0 selects a suitable size; ``restart`` discards an earlier upload."""

    source: LocalSource
    target: Target
    content: Content
    part_size: int = 0
    restart: bool = False


@dataclass(frozen=True, slots=True)
class UploadResult:
    """The result for a file of ``size`` bytes, of which this run sent ``sent``.

    ``parts`` is 0 for a single PUT; ``kept`` is the number of parts that S3 already had.
    """

    target: Target
    size: int
    sent: int
    parts: int
    kept: int
    etag: str
    version_id: str = ""
    crc32: int | None = None


class Uploader:
    """Sends files, each on ``threads`` threads. Memory: a piece a thread; each part is read twice: to hash and to send.

    The state records ``endpoint``; ``clock`` returns Unix seconds; ``s3`` bounds the parts.
    """

    def __init__(
        self,
        service: UploadService,
        progress: TransferProgress,
        *,
        threads: int,
        endpoint: str = "",
        clock: Callable[[], float] = time.time,
        s3: S3Limits = S3,
    ) -> None:
        self._service = service
        self._progress = progress
        self._threads = threads
        self._endpoint = endpoint
        self._clock = clock
        self._s3 = s3
        self._warned_md5 = False

    def upload(self, request: UploadRequest, file: StateFile, *, keep_state: bool = False) -> UploadResult:
        """Send a file, or resume the upload that the state ``file`` records.

        ``keep_state`` leaves the state of a finished upload for the caller to remove. A command with several files can
        then be run again and skip the finished ones.

        Raises FileChangedError for a changed source, FileError, StateFileError, ConfigurationError, AccessDeniedError,
        DestinationMissingError, ServiceUnavailableError. After each of them, the parts sent are kept.
        """
        check_key(request.target)
        plan = plan_file(request.source.identity.size, part_size=request.part_size, s3=self._s3)
        if request.restart:
            self._discard(file)
        state = self._load_state(request, file)
        sent = self._published_before(state) if state and state.etag else None
        if sent is None and state and state.etag:
            state = None
        if sent is None:
            sent = self._put(request) if state is None and plan.count <= 1 else self._resume(request, file, plan, state)
        if keep_state:
            file.save(to_text(self._state(request, plan, "", Proof.CRC32, etag=sent.etag)))
        else:
            file.remove()
        return sent

    def _load_state(self, request: UploadRequest, file: StateFile) -> UploadState | None:
        """Load the state of an earlier upload of this file; None if there is none, or the file changed after it."""
        text = file.load()
        if text is None:
            return None
        state = from_text(text, file.path)
        if (state.source, state.target) != (request.source.path, request.target):
            raise StateFileError(
                f"{file.path} is the state of another upload: {state.source} to {state.target.uri}",
                hint="Choose another --state, or discard the other upload with --restart.",
            )
        changed = changes(state.identity, request.source.identity)
        if changed and state.etag:
            return None
        if changed:
            raise FileChangedError(
                f"{request.source.path} has changed since its upload to {request.target.uri} started: {changed}",
                hint="Start again with --restart, or restore the file.",
            )
        return state

    def _discard(self, file: StateFile) -> None:
        """Abort the earlier upload. A state that cannot be read is only removed."""
        try:
            text = file.load()
            state = from_text(text, file.path) if text is not None else None
            if state and state.upload_id:
                self._service.abort(state.upload)
        except PermanentError as error:
            self._progress.tell(f"{error}; parts may remain: list them with `penstock uploads`")
        file.remove()

    def _published_before(self, state: UploadState) -> UploadResult | None:
        """Return the object that an earlier run published, if it still exists."""
        existing = self._service.existing(state.target)
        if existing is None or existing.etag != state.etag:
            return None
        self._progress.skip(existing.size)
        return UploadResult(state.target, existing.size, 0, 0, 0, existing.etag, existing.version_id, existing.crc32)

    def _put(self, request: UploadRequest) -> UploadResult:
        body = FileBody(request.source.read_into, 0, request.source.identity.size, bytearray(PIECE))
        crc32 = crc32_of(body)
        request.source.check()
        published = self._service.put(request.target, request.content, body, crc32=crc32, moved=self._progress.add)
        return UploadResult(
            request.target, published.size, published.size, 0, 0, published.etag, published.version_id, published.crc32
        )

    def _resume(
        self, request: UploadRequest, file: StateFile, plan: FileParts, state: UploadState | None
    ) -> UploadResult:
        existing = self._service.parts(state.upload) if state else None
        if state and existing is None:
            if found := self._completed_before(request.source, state):
                self._progress.skip(plan.size)
                return found
            self._progress.tell(
                f"the earlier upload to {request.target.uri} was aborted or has expired: starting again"
            )
            state = None
        if state is None:
            state = self._begin(request, file, plan)
        elif request.part_size not in (0, state.part_size):
            self._progress.tell(
                f"resuming with the earlier part size of {state.part_size:,} bytes; use --restart to change it"
            )
        if state.proof is Proof.MD5 and not self._warned_md5:
            self._warned_md5 = True
            self._progress.tell("this service cannot verify the CRC32 of an object: each part is sent with its MD5")
        parts, kept = self._send_parts(request.source, state, existing or {})
        sent = sum(part.size for part in parts if part.number not in kept)
        published = self._service.complete(state.upload, parts, crc32=joined(parts))
        if published is None:
            # An earlier request may have completed it, and its response was lost.
            if found := self._completed_before(request.source, state):
                return replace(found, sent=sent)
            raise PublishConflictError(
                f"another process ended the upload to {request.target.uri}", hint="Run the same command again."
            )
        return UploadResult(
            request.target,
            published.size,
            sent,
            published.parts,
            len(kept),
            published.etag,
            published.version_id,
            published.crc32,
        )

    def _begin(self, request: UploadRequest, file: StateFile, plan: FileParts) -> UploadState:
        upload = self._service.begin(request.target, request.content)
        state = self._state(request, plan, upload.id, upload.proof)
        try:
            file.save(to_text(state))
        except PenstockError:
            self._service.abort(upload)
            raise
        return state

    def _state(
        self, request: UploadRequest, plan: FileParts, upload_id: str, proof: Proof, *, etag: str = ""
    ) -> UploadState:
        return UploadState(
            source=request.source.path,
            identity=request.source.identity,
            target=request.target,
            endpoint=self._endpoint,
            begun=self._clock(),
            part_size=plan.part_size,
            upload_id=upload_id,
            proof=proof,
            etag=etag,
        )

    def _send_parts(
        self, source: LocalSource, state: UploadState, existing: Mapping[int, ExistingPart]
    ) -> tuple[list[SentPart], set[int]]:
        """Send the missing parts; return all parts in order, and the numbers of those that S3 already had."""
        plan = FileParts(source.identity.size, state.part_size)
        parts: list[SentPart] = []
        kept: set[int] = set()

        def work(number: int, buffer: Buffer) -> None:
            body = FileBody(source.read_into, plan.offset(number), plan.length(number), buffer.of(PIECE))
            crc32 = crc32_of(body)
            existing_part = existing.get(number)
            if existing_part and same_part(existing_part, body, crc32):
                etag = existing_part.etag
                kept.add(number)
                self._progress.skip(len(body))
            else:
                etag = self._service.send(state.upload, number, body, crc32=crc32, moved=self._progress.add)
            parts.append(SentPart(number, len(body), etag, crc32))

        WorkerPool(min(self._threads, plan.count)).run(work, range(1, plan.count + 1))
        source.check()
        return sorted(parts, key=lambda part: part.number), kept

    def _completed_before(self, source: LocalSource, state: UploadState) -> UploadResult | None:
        """Return the object if it already holds the file: the upload was completed, but its response was lost."""
        try:
            existing = self._service.existing(state.target)
        except AccessDeniedError:
            return None  # without permission to read, the file is sent again
        plan = FileParts(source.identity.size, state.part_size)
        crc32 = same_object(existing, source, plan, self._threads) if existing else None
        if existing is None or crc32 is None:
            return None
        source.check()
        return UploadResult(
            state.target, plan.size, 0, plan.count, plan.count, existing.etag, existing.version_id, crc32
        )


def check_key(target: Target) -> None:
    """Raise RequestRefusedError for a key that is too long for S3."""
    size = len(target.key.encode())
    if size > S3.max_key:
        raise RequestRefusedError(
            f"the key {target.key[:40]}... has {size:,} bytes; S3 allows {S3.max_key:,}", hint="Choose a shorter key."
        )
