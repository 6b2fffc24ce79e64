"""Upload local files and copy objects: in one request if that is enough, otherwise in parallel parts."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from penstock.aws.s3.body import PIECE, FileBody, crc32_of
from penstock.aws.s3.body_port import Body
from penstock.aws.s3.copier import CopySource, copy_object, copy_part, create_copy
from penstock.aws.s3.parts_pool import PartsPool
from penstock.aws.s3.writer import (
    Part,
    abort_upload,
    complete_upload,
    create_any_upload,
    joined,
    put_object,
    upload_part,
)
from penstock.codecs.checksum import crc32 as crc32_of_bytes
from penstock.errors import FileChangedError, PublishConflictError
from penstock.files.errors import file_errors
from penstock.limits import S3
from penstock.model.object import Content, Published, Target
from penstock.model.upload import Proof
from penstock.sync.local_tree import LocalFolder
from penstock.sync.model import LocalFile, RemoteFile
from penstock.sync.s3_listing import head_of, part_size

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Moved = Callable[[int], None]


class S3Sender:
    """Uploads and copies. Memory: one piece a thread. Files are read twice: to compute the CRC32, and to send.

    Every request carries the CRC32 of its bytes, and a multipart upload also that of the whole object. S3 verifies and
    stores it.
    """

    def __init__(self, client: S3Client, pool: PartsPool) -> None:
        self._client = client
        self._pool = pool

    def upload(
        self, folder: LocalFolder, file: LocalFile, target: Target, metadata: Mapping[str, str], moved: Moved
    ) -> None:
        """Raises FileError, FileChangedError, and the errors of the requests."""
        content = Content(mimetypes.guess_type(file.name)[0] or "binary/octet-stream", metadata)
        if len(self._pool.ranges(file.size)) > 1:
            self._upload_parts(folder, file, target, content, moved)
            return
        if file.size > PIECE:
            self._put_in_pieces(folder, file, target, content)
        else:
            with folder.opened(file) as stream:
                body = bytearray(stream.read())
            put_object(self._client, target, content, {}, body=body, crc32=crc32_of_bytes(body))
        moved(file.size)

    def _put_in_pieces(self, folder: LocalFolder, file: LocalFile, target: Target, content: Content) -> None:
        with folder.opened(file) as stream:
            crc32 = crc32_of(_body(file, stream.fileno(), (0, file.size)))
        # S3 verifies that the bytes sent now have the CRC32 computed above.
        with folder.opened(file) as stream:
            body = _body(file, stream.fileno(), (0, file.size))
            put_object(self._client, target, content, {}, body=body, crc32=crc32)

    def _upload_parts(
        self,
        folder: LocalFolder,
        file: LocalFile,
        target: Target,
        content: Content,
        moved: Moved,
    ) -> None:
        created = create_any_upload(self._client, target, content)
        with self._aborted(target, created.id):
            with folder.opened(file) as stream:
                fd = stream.fileno()

                def send(number: int, part: tuple[int, int]) -> Part:
                    body = _body(file, fd, part)
                    crc32 = crc32_of(body)
                    sent = upload_part(
                        self._client, target, created.id, number=number, body=body, crc32=crc32, proof=created.proof
                    )
                    moved(sent.size)
                    return sent

                parts = self._pool.each(send, self._pool.ranges(file.size))
            size, crc32 = joined(parts)
            published = complete_upload(
                self._client, target, created.id, {}, parts=parts, size=size, crc32=crc32, proof=created.proof
            )
        _check(published, target)

    @contextmanager
    def _aborted(self, target: Target, upload_id: str) -> Iterator[None]:
        """Abort the upload on any failure, so that no parts remain."""
        try:
            yield
        except BaseException:
            abort_upload(self._client, target, upload_id)
            raise

    def copy(self, file: RemoteFile, target: Target, moved: Moved) -> None:
        """Copy a listed object within S3, in the part size of its upload, so that its ETag stays the same.

        Raises SourceGoneError, SourceChangedError, and the errors of the requests.
        """
        source = CopySource(Target(file.bucket, file.key), file.etag, lambda: head_of(self._client, file))
        if file.part_count or file.size > S3.max_part:
            self._copy_parts(file, source, target, moved)
            return
        copy_object(self._client, source, target)
        moved(file.size)

    def _copy_parts(self, file: RemoteFile, source: CopySource, target: Target, moved: Moved) -> None:
        head = head_of(self._client, file)
        ranges = self._pool.ranges(file.size, part_size(self._client, file, 1) if file.part_count else 0)
        upload_id = create_copy(self._client, head, target)

        def copy(number: int, part: tuple[int, int]) -> Part:
            start, size = part
            copied = copy_part(self._client, source, target, upload_id, number=number, start=start, size=size)
            moved(size)
            return copied

        with self._aborted(target, upload_id):
            parts = self._pool.each(copy, ranges)
            # S3 copies bytes that it has verified, and the source's checksum is not known here: send none.
            published = complete_upload(
                self._client, target, upload_id, {}, parts=parts, size=file.size, crc32=0, proof=Proof.MD5
            )
        _check(published, target)


def _check(published: Published | None, target: Target) -> None:
    if not published:
        raise PublishConflictError(
            f"{target.uri}: another process ended the upload", hint="Run the same command again."
        )


def _body(file: LocalFile, fd: int, part: tuple[int, int]) -> Body:
    """Return the body of one part. Reading it raises FileError, and FileChangedError if the file ends early."""

    def read_into(piece: memoryview, at: int) -> None:
        while piece:
            with file_errors(file.path):
                read = os.preadv(fd, [piece], at)
            if not read:
                raise FileChangedError(f"{file.path}: the file became shorter while it was being read")
            at, piece = at + read, piece[read:]

    return FileBody(read_into, *part, bytearray(PIECE))
