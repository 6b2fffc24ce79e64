"""The S3 client of a person who moves files: `penstock upload` and `penstock sync`."""

from __future__ import annotations

from base64 import b64encode
from hashlib import md5
from typing import TYPE_CHECKING, Any, cast

from botocore.config import Config
from botocore.handlers import add_expect_header

from penstock.aws.access import Access

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def transfer_client(access: Access, connections: int, *, send_seconds: float) -> S3Client:
    """A client with so many connections.

    ``send_seconds`` is how long it waits for a connection, and for whatever is given to one in a single piece: the
    HTTP client has one timeout for both. Raises ConfigurationError for a profile, region or endpoint that is none.
    """
    config = Config(
        retries={"mode": "standard", "total_max_attempts": 5},
        connect_timeout=send_seconds,
        read_timeout=60,
        max_pool_connections=connections,
        tcp_keepalive=True,
        user_agent_extra="penstock",
        # As in the functions: every body carries a CRC32 or an MD5 that the service checks, and no SHA-256 besides.
        # And us-east-1 by its own name: an interface endpoint of a VPC knows no other.
        s3={"payload_signing_enabled": False, "us_east_1_regional_endpoint": "regional"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    client = cast("S3Client", access.client("s3", config))
    # "Expect: 100-continue" would cost every part a round trip; what it is for was found out when the upload was begun.
    client.meta.events.unregister("before-call.s3", add_expect_header)
    client.meta.events.register_last("before-call.s3.DeleteObjects", _add_md5)
    return client


def _add_md5(params: Any, **_: object) -> None:
    """botocore proves a list of keys by a CRC32 alone; other services want the MD5, as S3 itself once did."""
    digest = md5(params["body"], usedforsecurity=False).digest()
    params["headers"]["Content-MD5"] = b64encode(digest).decode()
