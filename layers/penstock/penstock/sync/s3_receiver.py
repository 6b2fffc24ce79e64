"""A prefix that files are uploaded to and objects are copied to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from penstock.aws.errors import may_be_unknown_header, status_of, translating
from penstock.errors import DestinationMissingError, RequestRefusedError
from penstock.sync.local_tree import LocalFolder
from penstock.sync.model import File, RemoteFile, SyncError
from penstock.sync.s3_listing import S3Listing
from penstock.sync.s3_send import S3Sender

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# The limit of one DeleteObjects request.
_DELETE_AT_ONCE = 1000

# XML 1.0 excludes these characters, or its parsers change them as line ends.
_NOT_XML = re.compile("[\0-\x1f\ufffe\uffff]")


class ReceivingPrefix:
    """Implements ``Receiver`` for objects and for files of ``folder``. Memory: as ``S3Sender``."""

    def __init__(
        self, client: S3Client, listing: S3Listing, sender: S3Sender, folder: LocalFolder | None = None
    ) -> None:
        self._client = client
        self._listing = listing
        self._sender = sender
        self._folder = folder

    def walk(self) -> Iterator[RemoteFile]:
        return self._listing.walk()

    def location(self, name: str) -> str:
        return self._listing.location(name)

    def put(self, file: File, name: str, metadata: Mapping[str, str], moved: Callable[[int], None]) -> str:
        target = self._listing.target(name)
        if isinstance(file, RemoteFile):
            self._sender.copy(file, target, moved)
        elif self._folder is None:
            raise TypeError("expected a folder to upload from")
        else:
            self._sender.upload(self._folder, file, target, metadata, moved)
        return ""

    def remove(self, files: Sequence[File]) -> Iterator[File | SyncError]:
        # XML cannot hold every key: delete the others in requests of their own.
        plain = [file for file in files if not _NOT_XML.search(file.name)]
        for first in range(0, len(plain), _DELETE_AT_ONCE):
            batch = plain[first : first + _DELETE_AT_ONCE]
            yield from self._remove({self._listing.target(file.name).key: file for file in batch})
        for file in files:
            if _NOT_XML.search(file.name):
                yield self._remove_one(file)

    def _remove_one(self, file: File) -> File | SyncError:
        target = self._listing.target(file.name)
        try:
            with translating(f"s3:DeleteObject on {target.uri}"):
                self._client.delete_object(Bucket=target.bucket, Key=target.key)
        except RequestRefusedError as error:
            return SyncError(file.name, self.location(file.name), f"not deleted: {error.message}")
        return file

    def _remove(self, files: Mapping[str, File]) -> Iterator[File | SyncError]:
        bucket = self._listing.target("").bucket
        with translating(f"s3:DeleteObject on {bucket}", missing=DestinationMissingError):
            try:
                answer = self._client.delete_objects(
                    Bucket=bucket, Delete={"Objects": [{"Key": key} for key in files], "Quiet": True}
                )
            except ClientError as error:
                if not (may_be_unknown_header(error) or status_of(error) == HTTPStatus.METHOD_NOT_ALLOWED):
                    raise
                # The service does not support DeleteObjects.
                yield from map(self._remove_one, files.values())
                return
        refused = {error.get("Key"): error.get("Code", "refused") for error in answer.get("Errors", ())}
        for key, file in files.items():
            yield (
                SyncError(file.name, self.location(file.name), f"not deleted: {refused[key]}")
                if key in refused
                else file
            )
