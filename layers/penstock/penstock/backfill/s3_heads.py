"""Objects that are known by name only: the rest is read by HEAD, several at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from penstock.aws.errors import status_of, translating
from penstock.backfill.model import ARCHIVED_CLASSES, FoundObject, Missing
from penstock.backfill.s3_listing import NULL_VERSION

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

THREADS = 16
# Objects that are asked for ahead of the caller.
AHEAD = 64


@dataclass(frozen=True, slots=True)
class NamedObject:
    """An object of which only the name is known, and perhaps its version."""

    bucket: str
    key: str
    version_id: str
    position: str


class S3Heads:
    """Completes objects, in order. ``reads`` counts the requests. Memory: `AHEAD` objects."""

    def __init__(self, client: S3Client) -> None:
        self._client = client
        self.reads = 0

    def complete(self, entries: Iterable[NamedObject | FoundObject | Missing]) -> Iterator[FoundObject | Missing]:
        """Yield complete entries unchanged, and the objects of the others. Closing the iterator ends its threads."""
        waiting: deque[FoundObject | Missing | Future[FoundObject | Missing]] = deque()
        with ThreadPoolExecutor(THREADS, thread_name_prefix="s3-head") as threads:
            try:
                for entry in entries:
                    if isinstance(entry, NamedObject):
                        self.reads += 1
                        waiting.append(threads.submit(self._head, entry))
                    elif waiting:
                        waiting.append(entry)
                    else:
                        yield entry
                    if len(waiting) == AHEAD:
                        yield _result(waiting.popleft())
                while waiting:
                    yield _result(waiting.popleft())
            finally:
                threads.shutdown(cancel_futures=True)

    def _head(self, named: NamedObject) -> FoundObject | Missing:
        uri = f"s3://{named.bucket}/{named.key}"
        version: dict[str, Any] = {"VersionId": named.version_id} if named.version_id else {}
        action = "s3:GetObjectVersion" if version else "s3:GetObject"
        with translating(f"{action} on {uri} and s3:ListBucket on {named.bucket}"):
            try:
                head = self._client.head_object(Bucket=named.bucket, Key=named.key, **version)
            except ClientError as error:
                # 405: the version is a delete marker. 400: it is no version id.
                if status_of(error) in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.BAD_REQUEST):
                    return Missing(uri, named.position)
                raise
        found, storage_class = head.get("VersionId", ""), head.get("StorageClass", "STANDARD")
        # A restored copy can be read: ongoing-request="false", expiry-date="..."
        restored = 'ongoing-request="false"' in head.get("Restore", "")
        return FoundObject(
            named.bucket,
            named.key,
            head["ContentLength"],
            head["ETag"].strip('"'),
            version_id="" if found == NULL_VERSION else found,
            modified=head["LastModified"].timestamp(),
            storage_class=storage_class,
            archived=storage_class in ARCHIVED_CLASSES and not restored,
            position=named.position,
        )


def _result(waiting: FoundObject | Missing | Future[FoundObject | Missing]) -> FoundObject | Missing:
    return waiting.result() if isinstance(waiting, Future) else waiting
