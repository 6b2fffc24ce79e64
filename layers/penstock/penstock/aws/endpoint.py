"""Which service a client speaks to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def endpoint_of(client: S3Client) -> str:
    """What tells this service from others: empty for AWS, else its URL."""
    url = client.meta.endpoint_url
    return "" if ".amazonaws.com" in url else url
