"""Multipart uploads that the functions of this stack created, identified by their initiator."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

from penstock.aws.errors import translating
from penstock.aws.s3.open_uploads import open_upload_pages
from penstock.aws.s3.writer import abort_upload
from penstock.errors import PenstockError
from penstock.model.object import Target
from penstock.model.upload import Unfinished

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


# Of 1,000 uploads each. A bucket that others use may hold more: those are left to its lifecycle rule.
MOST_PAGES = 100


class S3OwnUploads:
    """Implements ``OwnUploads`` for some buckets; ``roles`` are the names of the functions' roles.

    For an upload that a role created, S3 lists the initiator as arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION.
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_MultipartUpload.html
    """

    def __init__(
        self,
        client: S3Client,
        buckets: Sequence[str],
        roles: Collection[str],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._buckets = buckets
        self._clock = clock
        self._parts_of_arn = tuple(f":assumed-role/{role}/" for role in roles)

    def older_than(self, seconds: float) -> Iterator[Unfinished]:
        errors = []
        for bucket in self._buckets:
            # A bucket that cannot be listed does not stop the sweep of the others.
            try:
                yield from self._in(bucket, seconds)
            except PenstockError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def _in(self, bucket: str, seconds: float) -> Iterator[Unfinished]:
        now = datetime.fromtimestamp(self._clock(), UTC)
        with translating(f"s3:ListBucketMultipartUploads on {bucket}"):
            for page in islice(open_upload_pages(self._client, bucket, ""), MOST_PAGES):
                for upload in page.get("Uploads", ()):
                    age = (now - upload["Initiated"]).total_seconds()
                    initiator = upload.get("Initiator", {}).get("ID", "")
                    if age >= seconds and any(part in initiator for part in self._parts_of_arn):
                        yield Unfinished(Target(bucket, upload["Key"]), upload["UploadId"], age)

    def end(self, upload: Unfinished) -> None:
        abort_upload(self._client, upload.target, upload.id)
