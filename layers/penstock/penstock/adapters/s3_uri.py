"""The two halves of an ``s3://`` URI."""

from __future__ import annotations

from penstock.errors import ConfigurationError


def split(uri: str) -> tuple[str, str]:
    """Bucket and key; either may be empty. Raises ConfigurationError for an ARN, whose slash is not the key's."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if bucket.startswith("arn:"):
        raise ConfigurationError(
            f"{uri}: an ARN cannot stand for a bucket here",
            hint="Give the access point's alias (aws s3control get-access-point), which can: s3://ALIAS/KEY.",
        )
    return bucket, key
