"""Sending a file so that it can be interrupted anywhere, and go on.

What a service has is asked of the service (its list of parts), never remembered: a part that it has, with the size and
the checksum of our bytes, is not sent again; any other is. So the object is that of the file's bytes whatever happened
between two runs, and nothing need be written down but the upload's id.
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
from penstock.limits import S3
from penstock.model.object import Content, Target
from penstock.model.upload import ExistingPart, Proof, SentPart, UploadState
from penstock.upload.content import joined, same_object, same_part
from penstock.upload.parts import FileParts, plan_file
from penstock.upload.ports import LocalSource, StateFile, TransferProgress, UploadService
from penstock.upload.state import changes, from_text, to_text
from penstock.upload.worker_pool import Buffer, WorkerPool


@dataclass(frozen=True, slots=True)
class UploadRequest:
    """What to send where. ``part_size`` 0 chooses; ``restart`` gives up what was begun before."""

    source: LocalSource
    target: Target
    content: Content
    part_size: int = 0
    restart: bool = False


@dataclass(frozen=True, slots=True)
class UploadResult:
    """What became of a file of ``size`` bytes, of which ``sent`` went over the network now.

    ``parts`` is 0 for a single PUT; ``kept`` of them were there before.
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
    """Sends files, each on ``threads`` threads. Memory: a piece a thread, as each part is read twice: to hash, to send.

    ``endpoint`` is what a state remembers of the service, ``clock`` answers Unix seconds.
    """

    def __init__(
        self,
        service: UploadService,
        progress: TransferProgress,
        *,
        threads: int,
        endpoint: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._service = service
        self._progress = progress
        self._threads = threads
        self._endpoint = endpoint
        self._clock = clock
        self._told_weaker = False

    def upload(self, order: UploadRequest, file: StateFile, *, keep_state: bool = False) -> UploadResult:
        """Send a file, or go on with what the state ``file`` remembers of it.

        ``keep_state`` leaves the state of a finished upload for the caller to remove, so that a command of several
        files that is run again knows which of them stand.

        Raises FileChangedError for a source that is not what it was, FileError, StateFileError, ConfigurationError,
        AccessDeniedError, DestinationMissingError, ServiceUnavailableError: after each, what was sent stays.
        """
        check_key(order.target)
        plan = plan_file(order.source.identity.size, part_size=order.part_size)
        if order.restart:
            self._give_up(file)
        state = self._remembered(order, file)
        sent = self._done_before(state) if state and state.etag else None
        if sent is None and state and state.etag:
            state = None
        if sent is None:
            sent = self._put(order) if state is None and plan.count <= 1 else self._go_on(order, file, plan, state)
        if keep_state:
            file.save(to_text(self._state(order, plan, "", Proof.CRC32, etag=sent.etag)))
        else:
            file.remove()
        return sent

    def _remembered(self, order: UploadRequest, file: StateFile) -> UploadState | None:
        """What was begun, if it is of this file as it is now."""
        text = file.load()
        if text is None:
            return None
        state = from_text(text, file.path)
        if (state.source, state.target) != (order.source.path, order.target):
            raise StateFileError(
                f"{file.path} is the state of another upload: {state.source} to {state.target.uri}",
                hint="Choose another --state, or give up the other upload with --restart.",
            )
        changed = changes(state.identity, order.source.identity)
        if changed and state.etag:
            return None
        if changed:
            raise FileChangedError(
                f"{order.source.path} has changed since its upload to {order.target.uri} was begun: {changed}",
                hint="Begin anew with --restart, or put the file back as it was.",
            )
        return state

    def _give_up(self, file: StateFile) -> None:
        """Abort what was begun; a state that cannot be read is only forgotten."""
        try:
            text = file.load()
            state = from_text(text, file.path) if text is not None else None
            if state and state.upload_id:
                self._service.abort(state.upload)
        except PermanentError as error:
            self._progress.tell(f"{error}; `penstock uploads` lists what it may have left")
        file.remove()

    def _done_before(self, state: UploadState) -> UploadResult | None:
        """The object that an earlier run of the command has left, if it still stands."""
        existing = self._service.existing(state.target)
        if existing is None or existing.etag != state.etag:
            return None
        self._progress.skip(existing.size)
        return UploadResult(state.target, existing.size, 0, 0, 0, existing.etag, existing.version_id, existing.crc32)

    def _put(self, order: UploadRequest) -> UploadResult:
        body = FileBody(order.source.read_into, 0, order.source.identity.size, bytearray(PIECE))
        crc32 = crc32_of(body)
        order.source.check()
        made = self._service.put(order.target, order.content, body, crc32=crc32, moved=self._progress.add)
        return UploadResult(order.target, made.size, made.size, 0, 0, made.etag, made.version_id, made.crc32)

    def _go_on(self, order: UploadRequest, file: StateFile, plan: FileParts, state: UploadState | None) -> UploadResult:
        existing = self._service.parts(state.upload) if state else None
        if state and existing is None:
            if found := self._completed_before(order.source, state):
                self._progress.skip(plan.size)
                return found
            self._progress.tell(
                f"what was sent to {order.target.uri} before is gone (aborted, expired): beginning anew"
            )
            state = None
        if state is None:
            state = self._begin(order, file, plan)
        elif order.part_size not in (0, state.part_size):
            self._progress.tell(f"going on in parts of {state.part_size:,} bytes, as begun; --restart changes that")
        if state.proof is Proof.MD5 and not self._told_weaker:
            self._told_weaker = True
            self._progress.tell("this service takes no CRC32 of the whole object: each part goes with its MD5")
        parts, kept = self._send_parts(order.source, state, existing or {})
        sent = sum(part.size for part in parts if part.number not in kept)
        made = self._service.complete(state.upload, parts, crc32=joined(parts))
        if made is None:
            # An earlier try may have completed it although its answer was lost.
            if found := self._completed_before(order.source, state):
                return replace(found, sent=sent)
            raise PublishConflictError(
                f"the upload to {order.target.uri} was ended by somebody else", hint="Run the same command again."
            )
        return UploadResult(
            order.target, made.size, sent, made.parts, len(kept), made.etag, made.version_id, made.crc32
        )

    def _begin(self, order: UploadRequest, file: StateFile, plan: FileParts) -> UploadState:
        upload = self._service.begin(order.target, order.content)
        state = self._state(order, plan, upload.id, upload.proof)
        try:
            file.save(to_text(state))
        except PenstockError:
            self._service.abort(upload)
            raise
        return state

    def _state(
        self, order: UploadRequest, plan: FileParts, upload_id: str, proof: Proof, *, etag: str = ""
    ) -> UploadState:
        return UploadState(
            source=order.source.path,
            identity=order.source.identity,
            target=order.target,
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
        """Every part of the file in order, and the numbers of those that were there."""
        plan = FileParts(source.identity.size, state.part_size)
        parts: list[SentPart] = []
        kept: set[int] = set()

        def work(number: int, buffer: Buffer) -> None:
            body = FileBody(source.read_into, plan.offset(number), plan.length(number), buffer.of(PIECE))
            crc32 = crc32_of(body)
            there = existing.get(number)
            if there and same_part(there, body, crc32):
                etag = there.etag
                kept.add(number)
                self._progress.skip(len(body))
            else:
                etag = self._service.send(state.upload, number, body, crc32=crc32, moved=self._progress.add)
            parts.append(SentPart(number, len(body), etag, crc32))

        WorkerPool(min(self._threads, plan.count)).run(work, range(1, plan.count + 1))
        source.check()
        return sorted(parts, key=lambda part: part.number), kept

    def _completed_before(self, source: LocalSource, state: UploadState) -> UploadResult | None:
        """The object, if it already is what this upload was to make: it was completed, but not noted here."""
        try:
            existing = self._service.existing(state.target)
        except AccessDeniedError:
            return None  # who may only write cannot know; the file is sent once more
        plan = FileParts(source.identity.size, state.part_size)
        crc32 = same_object(existing, source, plan, self._threads) if existing else None
        if existing is None or crc32 is None:
            return None
        source.check()
        return UploadResult(
            state.target, plan.size, 0, plan.count, plan.count, existing.etag, existing.version_id, crc32
        )


def check_key(target: Target) -> None:
    """Raise RequestRefusedError for a key that S3 cannot have."""
    size = len(target.key.encode())
    if size > S3.max_key:
        raise RequestRefusedError(
            f"the key {target.key[:40]}... has {size:,} bytes; S3 takes {S3.max_key:,}", hint="Choose a shorter key."
        )
