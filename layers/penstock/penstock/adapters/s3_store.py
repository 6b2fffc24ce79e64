"""The objects of S3."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from botocore.config import Config

from penstock.adapters.aws_errors import translating
from penstock.adapters.backoff import Backoff
from penstock.adapters.s3_head import read_head
from penstock.adapters.s3_multipart import S3BucketSink
from penstock.adapters.s3_open_uploads import open_upload_pages
from penstock.adapters.s3_source import S3ByteSource
from penstock.adapters.s3_upload import abort_upload
from penstock.adapters.session import session
from penstock.limits import READERS, Budget, PartPlan
from penstock.objects import Content, ObjectHead, Source, Target
from penstock.ports import PublishRule, unnoted

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def s3_client(budget: Budget) -> S3Client:
    """An S3 client for so many uploads at once; region, credentials and endpoint by boto3's own rules."""
    client: S3Client = session().client("s3", config=s3_config(budget))
    return client


def s3_config(budget: Budget) -> Config:
    """Settings of the S3 client. None of them costs safety: every body carries a CRC32 that S3 checks."""
    return Config(
        # First try included. Throttling is waited for up to 1, 2, 4 and 8 s with full jitter, other failures a
        # twentieth of that; what fails then goes back to the queue.
        retries={"mode": "standard", "total_max_attempts": 5},
        connect_timeout=5,
        # S3 answers within milliseconds; closing a source waits for the request under way.
        read_timeout=10,
        # One each for uploads and read-ahead, the rest for HEAD and the like; or one for each reader of small objects.
        max_pool_connections=max(budget.uploads + 4, READERS),
        tcp_keepalive=True,
        user_agent_extra="penstock",
        # SHA-256 of every byte costs as much CPU as decoding it. TLS protects the bytes on their way, a CRC32 that
        # the sink sends with them the whole way.
        # And us-east-1 by its own name: an interface endpoint of a VPC knows no other.
        s3={"payload_signing_enabled": False, "us_east_1_regional_endpoint": "regional"},
        # "when_supported" would count a CRC32 of its own where none is given, and wrap the body for it.
        request_checksum_calculation="when_required",
        # Ranges carry no checksum to validate. TLS proves them on their way; the codec, or the CRC32 that HEAD told of,
        # the whole.
        response_checksum_validation="when_required",
    )


class S3ObjectStore:
    """Implements ``ObjectStore``.

    Memory: that of the sources and sinks it opens (S3ByteSource, S3BucketSink); it keeps nothing itself.
    """

    def __init__(
        self, client: S3Client, budget: Budget, *, plan: PartPlan | None = None, backoff: Backoff | None = None
    ) -> None:
        self._client = client
        self._budget = budget
        self._plan = plan or PartPlan.within(budget)
        self._backoff = backoff or Backoff()

    def head(self, bucket: str, key: str, *, version_id: str = "") -> ObjectHead | None:
        return read_head(self._client, bucket, key, version_id=version_id, checksum=True)

    def open_source(self, source: Source, *, start: int = 0, end: int | None = None) -> S3ByteSource:
        return S3ByteSource(self._client, source, self._budget.read_chunk, self._backoff, start=start, end=end)

    def open_sink(
        self, target: Target, content: Content, rule: PublishRule, created: Callable[[str], None] = unnoted
    ) -> S3BucketSink:
        return S3BucketSink(self._client, target, content, rule, budget=self._budget, plan=self._plan, created=created)

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
