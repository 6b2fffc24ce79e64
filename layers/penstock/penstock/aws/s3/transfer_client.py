"""The S3 client of the commands that transfer files: `penstock upload` and `penstock sync`."""

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
    """Create a client with ``connections`` connections.

    ``send_seconds`` is the timeout for opening a connection, and for sending one piece: the HTTP client has one timeout
    for both. Raises ConfigurationError for an invalid profile, region or endpoint.
    """
    config = Config(
        retries={"mode": "standard", "total_max_attempts": 5},
        connect_timeout=send_seconds,
        read_timeout=60,
        max_pool_connections=connections,
        tcp_keepalive=True,
        user_agent_extra="penstock",
        # As in the functions: every body carries a CRC32 or an MD5 that the service checks, but no SHA-256.
        # us-east-1 by its regional name: an interface endpoint of a VPC knows no other.
        s3={"payload_signing_enabled": False, "us_east_1_regional_endpoint": "regional"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    client = cast("S3Client", access.client("s3", config))
    # "Expect: 100-continue" would cost a round trip for every part. It detects refused requests, but creating the
    # upload has already shown that the request is allowed.
    client.meta.events.unregister("before-call.s3", add_expect_header)
    client.meta.events.register_last("before-call.s3.DeleteObjects", _add_md5)
    return client


def _add_md5(params: Any, **_: object) -> None:
    """botocore sends only a CRC32 of a list of keys. Other services require an MD5, as S3 did earlier."""
    digest = md5(params["body"], usedforsecurity=False).digest()
    params["headers"]["Content-MD5"] = b64encode(digest).decode()
