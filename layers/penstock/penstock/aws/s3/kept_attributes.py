"""What a copy of an object keeps: the arguments that CopyObject and CreateMultipartUpload need for it.

CopyObject keeps metadata and headers by itself, but neither the storage class nor the encryption.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# HEAD names no storage class for STANDARD.
_STORED = ("StorageClass", "ServerSideEncryption", "SSEKMSKeyId", "BucketKeyEnabled")
# The headers and the metadata that CopyObject keeps.
_HEADERS = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "Metadata",
    "WebsiteRedirectLocation",
)


def kept_attributes(head: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a copy that keeps storage class, encryption and the redirect of a website."""
    names = (*_STORED, "WebsiteRedirectLocation")
    return {name: head[name] for name in names if head.get(name)}


def kept_headers(head: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a multipart upload that keeps everything but the tags."""
    return {name: head[name] for name in ("Expires", *_HEADERS, *_STORED) if head.get(name)}


def kept_checksum(head: Mapping[str, Any]) -> dict[str, str]:
    """Return the argument that computes a checksum of the source's kind; empty if it has none."""
    names = (name.removeprefix("Checksum") for name in head if name.startswith("Checksum") and name != "ChecksumType")
    return next(({"ChecksumAlgorithm": name} for name in names), {})
