"""The two halves of an ``s3://`` URI."""

from __future__ import annotations

import re

from penstock.errors import ConfigurationError

# Also the names of old buckets, and of other services.
_BUCKET = re.compile(r"[a-zA-Z0-9._-]{1,255}")


def split(uri: str) -> tuple[str, str]:
    """Bucket and key; either may be empty. Raises ConfigurationError for what no bucket can be called, and for an ARN,
    whose slash is not the key's."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if bucket.startswith("arn:"):
        raise ConfigurationError(
            f"{uri}: an ARN cannot stand for a bucket here",
            hint="Give the access point's alias (aws s3control get-access-point), which can: s3://ALIAS/KEY.",
        )
    if bucket and not _BUCKET.fullmatch(bucket):
        raise ConfigurationError(f"{uri}: {bucket!r} is not a bucket name", hint="Write s3://BUCKET/KEY.")
    return bucket, key
