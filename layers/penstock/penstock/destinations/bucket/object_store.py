"""Read and write the objects of S3."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from penstock.aws.backoff import Backoff
from penstock.aws.errors import translating
from penstock.aws.s3.head import read_head
from penstock.aws.s3.open_uploads import open_upload_pages
from penstock.aws.s3.source import S3ByteSource
from penstock.aws.s3.writer import abort_upload, put_object
from penstock.destinations.bucket.publish import CreateObject
from penstock.destinations.bucket.sink import S3BucketSink
from penstock.destinations.ports import PublishRule, ignore_upload
from penstock.limits import Budget, PartPlan
from penstock.model.object import Content, ObjectHead, Source, Target

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class S3ObjectStore:
    """Implements ``ObjectStore``. ``create`` writes small objects that are most likely new; `put_object` by default.

    Memory: that of the sources and sinks that it opens (S3ByteSource, S3BucketSink).
    """

    def __init__(
        self,
        client: S3Client,
        budget: Budget,
        *,
        plan: PartPlan | None = None,
        backoff: Backoff | None = None,
        create: CreateObject | None = None,
    ) -> None:
        self._client = client
        self._budget = budget
        self._plan = plan or PartPlan.within(budget)
        self._backoff = backoff or Backoff()
        self._create: CreateObject = create or partial(put_object, client, condition={"IfNoneMatch": "*"})

    def head(self, bucket: str, key: str, *, version_id: str = "") -> ObjectHead | None:
        return read_head(self._client, bucket, key, version_id=version_id, checksum=True)

    def open_source(self, source: Source, *, start: int = 0, end: int | None = None) -> S3ByteSource:
        return S3ByteSource(self._client, source, self._budget.read_chunk, self._backoff, start=start, end=end)

    def open_sink(
        self,
        target: Target,
        content: Content,
        rule: PublishRule,
        created: Callable[[str], None] = ignore_upload,
        *,
        is_new: bool = False,
    ) -> S3BucketSink:
        return S3BucketSink(
            self._client,
            target,
            content,
            rule,
            budget=self._budget,
            plan=self._plan,
            created=created,
            create=self._create if is_new else None,
        )

    def sweep(self, target: Target) -> None:
        right = f"s3:ListBucketMultipartUploads on {target.bucket}"
        pages = open_upload_pages(self._client, target.bucket, target.key)
        with translating(right):
            open_here = [
                upload["UploadId"]
                for page in pages
                for upload in page.get("Uploads", ())
                if upload["Key"] == target.key
            ]
        for upload_id in open_here:
            abort_upload(self._client, target, upload_id)
