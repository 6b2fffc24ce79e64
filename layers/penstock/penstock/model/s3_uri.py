"""Split ``s3://`` URIs."""

from __future__ import annotations

import re

from penstock.errors import ConfigurationError

S3_SCHEME = "s3://"

# Also allows the names of old buckets and of other services.
_BUCKET = re.compile(r"[a-zA-Z0-9._-]{1,255}")


def split(uri: str) -> tuple[str, str]:
    """Return bucket and key; either may be empty. Raises ConfigurationError for an invalid bucket name and for an
    ARN, in which a slash does not separate the key."""
    bucket, _, key = uri.removeprefix(S3_SCHEME).partition("/")
    if bucket.startswith("arn:"):
        raise ConfigurationError(
            f"{uri}: an ARN cannot be used as a bucket name",
            hint="Use the access point's alias: s3://ALIAS/KEY. aws s3control get-access-point shows the alias.",
        )
    if bucket and not _BUCKET.fullmatch(bucket):
        raise ConfigurationError(f"{uri}: {bucket!r} is not a bucket name", hint="Write s3://BUCKET/KEY.")
    return bucket, key
