"""The S3 client of the functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import botocore
from botocore.config import Config

from penstock.aws.session import session
from penstock.limits import READERS, Budget

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def s3_client(budget: Budget) -> S3Client:
    """Create an S3 client for the budget's uploads. Region, credentials and endpoint follow boto3's rules."""
    client: S3Client = session().client("s3", config=s3_config(budget))
    return client


def s3_config(budget: Budget) -> Config:
    """Return the settings of the S3 client. None reduces integrity: S3 checks a CRC32 of every body."""
    return Config(
        # Includes the first attempt. After throttling, the client waits up to 1, 2, 4 and 8 s with full jitter, after
        # other failures a twentieth of that. If all attempts fail, the message returns to the queue.
        retries={"mode": "standard", "total_max_attempts": 5},
        connect_timeout=5,
        # S3 responds within milliseconds. Closing a source waits for the request in progress.
        read_timeout=10,
        # One for each upload and for read-ahead, the rest for HEAD and others; or one for each reader of small objects.
        max_pool_connections=max(budget.uploads + 4, READERS),
        tcp_keepalive=True,
        # botocore's own user agent lists two dozen details and is built twice a request, at the expense of small ones.
        user_agent=f"Botocore/{botocore.__version__} penstock",
        # SHA-256 costs as much CPU per byte as decoding. TLS protects the connection, and the CRC32 that the sink sends
        # protects the bytes end to end.
        # us-east-1 by its regional name: an interface endpoint of a VPC knows no other.
        s3={"payload_signing_enabled": False, "us_east_1_regional_endpoint": "regional"},
        # "when_supported" would compute another CRC32 where none is given, and wrap the body for it.
        request_checksum_calculation="when_required",
        # Ranges carry no checksum to validate. TLS protects them in transit. The codec, or the CRC32 from HEAD,
        # verifies the complete object.
        response_checksum_validation="when_required",
    )
