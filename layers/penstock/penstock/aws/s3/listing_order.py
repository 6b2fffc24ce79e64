"""Whether S3 sorts the listings of a bucket."""

from __future__ import annotations

# The suffixes of buckets of S3 Express One Zone and of their access points.
_DIRECTORY_BUCKETS = ("--x-s3", "--xa-s3")


def is_sorted_by_contract(endpoint: str, bucket: str) -> bool:
    """Whether S3 guarantees sorted listings of a bucket. ``endpoint`` is empty for AWS."""
    return not endpoint and not bucket.endswith(_DIRECTORY_BUCKETS)
