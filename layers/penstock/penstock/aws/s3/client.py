"""The S3 client of the functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.config import Config

from penstock.aws.session import session
from penstock.limits import READERS, Budget

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
