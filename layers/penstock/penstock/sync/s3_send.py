"""Objects made of local files and of other objects: one request where that is enough, else parts in parallel."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, cast

from botocore.exceptions import ClientError

from penstock.aws.errors import is_unsupported, translating
from penstock.aws.s3.body import PIECE, FileBody, crc32_of, md5_of
from penstock.aws.s3.body_port import Body
from penstock.aws.s3.conditions import misjudges
from penstock.aws.s3.part_body import progress_body
from penstock.aws.s3.parts_pool import PartsPool
from penstock.aws.s3.writer import (
    CreatedUpload,
    Part,
    abort_upload,
    complete_upload,
    create_any_upload,
    joined,
    part_proof,
    put_object,
)
from penstock.codecs.checksum import crc32 as crc32_of_bytes
from penstock.errors import (
    DestinationMissingError,
    FileChangedError,
    PublishConflictError,
    SourceChangedError,
    SourceGoneError,
)
from penstock.files.errors import file_errors
from penstock.limits import S3
from penstock.model.object import Content, Target
from penstock.sync.local_tree import LocalFolder
from penstock.sync.model import LocalFile, RemoteFile
from penstock.sync.s3_listing import head_of, part_size

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import (
        CompletedPartTypeDef,
        CopySourceTypeDef,
        CreateMultipartUploadRequestTypeDef,
        HeadObjectOutputTypeDef,
    )

Moved = Callable[[int], None]
Answer = TypeVar("Answer")


class SourceCondition(TypedDict, total=False):
    """Arguments of a copy: the source has this ETag still."""

    CopySourceIfMatch: str


class S3Sender:
    """Uploads and copies. Memory: one piece a thread, as files are read twice: to hash, to send.

    Every request carries the CRC32 of its bytes, and a multipart upload that of all of them: S3 proves and keeps it.
    """

    def __init__(self, client: S3Client, pool: PartsPool) -> None:
        self._client = client
        self._pool = pool

    def upload(
        self, folder: LocalFolder, file: LocalFile, target: Target, metadata: Mapping[str, str], moved: Moved
    ) -> None:
        """Raises FileError, FileChangedError, and what the requests raise."""
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
        # S3 proves that what goes now is what the file held then.
        with (
            folder.opened(file) as stream,
            progress_body(_body(file, stream.fileno(), (0, file.size)), ignore_progress) as body,
        ):
            whole = _body(file, stream.fileno(), (0, file.size))
            put_object(self._client, target, content, {}, body=body, crc32=crc32, md5=lambda: md5_of(whole))

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
                    sent = self._part(target, created, number, _body(file, fd, part))
                    moved(sent.size)
                    return sent

                parts = self._pool.each(send, self._pool.ranges(file.size))
            size, crc32 = joined(parts)
            published = complete_upload(
                self._client, target, created.id, {}, parts=parts, size=size, crc32=crc32, proof=created.proof
            )
        if not published:
            raise PublishConflictError(f"{target.uri}: somebody else ended the upload")

    def _part(self, target: Target, upload: CreatedUpload, number: int, body: Body) -> Part:
        crc32, right = crc32_of(body), f"s3:PutObject on {target.uri}"
        with translating(right, missing=DestinationMissingError), progress_body(body, ignore_progress) as part:
            answer = self._client.upload_part(
                Bucket=target.bucket,
                Key=target.key,
                UploadId=upload.id,
                PartNumber=number,
                Body=cast("Any", part),
                **part_proof(crc32, upload.proof, lambda: md5_of(body)),
            )
        return Part(number, answer["ETag"], crc32, len(body))

    @contextmanager
    def _aborted(self, target: Target, upload_id: str) -> Iterator[None]:
        """Leave no parts behind, whatever happens."""
        try:
            yield
        except BaseException:
            abort_upload(self._client, target, upload_id)
            raise

    def copy(self, file: RemoteFile, target: Target, moved: Moved) -> None:
        """Copy an object as it was listed, within S3; in the parts that it was uploaded in, so that its ETag stays.

        Raises SourceGoneError, SourceChangedError, and what the requests raise.
        """
        if file.part_count or file.size > S3.max_part:
            self._copy_parts(file, target, moved)
            return
        where: Any = {
            "Bucket": target.bucket,
            "Key": target.key,
            "CopySource": _source(file),
        }
        with _copying(file, target):
            self._copied(file, lambda condition: self._client.copy_object(**where, **condition))
        moved(file.size)

    def _copy_parts(self, file: RemoteFile, target: Target, moved: Moved) -> None:
        head = head_of(self._client, file)
        ranges = self._pool.ranges(file.size, part_size(self._client, file, 1) if file.part_count else 0)
        with translating(f"s3:PutObject on {target.uri}", missing=DestinationMissingError):
            upload_id = self._client.create_multipart_upload(**_as_it_was(head, target))["UploadId"]

        def copy(number: int, part: tuple[int, int]) -> CompletedPartTypeDef:
            at, size = part
            where: Any = {
                "Bucket": target.bucket,
                "Key": target.key,
                "UploadId": upload_id,
                "PartNumber": number,
                "CopySource": _source(file),
                "CopySourceRange": f"bytes={at}-{at + size - 1}",
            }
            with _copying(file, target):
                answer = self._copied(file, lambda condition: self._client.upload_part_copy(**where, **condition))
            moved(size)
            return {"PartNumber": number, "ETag": answer["CopyPartResult"].get("ETag", "")}

        with self._aborted(target, upload_id):
            parts = self._pool.each(copy, ranges)
            with translating(f"s3:PutObject on {target.uri}", changed=PublishConflictError):
                self._client.complete_multipart_upload(
                    Bucket=target.bucket, Key=target.key, UploadId=upload_id, MultipartUpload={"Parts": parts}
                )

    def _copied(self, file: RemoteFile, copy: Callable[[SourceCondition], Answer]) -> Answer:
        """A copy of the object as it was listed. Where a service misjudges the condition, HEAD before and after the
        copy tells whether it was that object."""
        try:
            return copy({"CopySourceIfMatch": f'"{file.etag}"'})
        except ClientError as error:
            if not (is_unsupported(error) or misjudges(self._client, error)):
                raise
        head_of(self._client, file)
        answer = copy({})
        head_of(self._client, file)
        return answer


def _copying(file: RemoteFile, target: Target) -> AbstractContextManager[None]:
    return translating(
        f"s3:GetObject on {file.uri} and s3:PutObject on {target.uri}",
        missing=SourceGoneError,
        changed=SourceChangedError,
    )


def _source(file: RemoteFile) -> CopySourceTypeDef:
    return {"Bucket": file.bucket, "Key": file.key}


def _as_it_was(head: HeadObjectOutputTypeDef, target: Target) -> CreateMultipartUploadRequestTypeDef:
    """What CopyObject would keep by itself."""
    request: CreateMultipartUploadRequestTypeDef = {"Bucket": target.bucket, "Key": target.key}
    request["Metadata"] = head["Metadata"]
    for name in (
        "CacheControl",
        "ContentDisposition",
        "ContentEncoding",
        "ContentLanguage",
        "ContentType",
        "WebsiteRedirectLocation",
    ):
        if name in head:
            request[name] = head[name]
    return request


def _body(file: LocalFile, fd: int, part: tuple[int, int]) -> Body:
    """One part. Reading it raises FileError, and FileChangedError if the file ends early."""

    def read_into(piece: memoryview, at: int) -> None:
        while piece:
            with file_errors(file.path):
                read = os.preadv(fd, [piece], at)
            if not read:
                raise FileChangedError(f"{file.path}: became shorter while it was being read")
            at, piece = at + read, piece[read:]

    return FileBody(read_into, *part, bytearray(PIECE))


def ignore_progress(size: int) -> None:
    """Progress is told of whole parts."""
