"""Writes small objects that are new, each with a single request and little overhead.

For a thousand small members of an archive, ``put_object`` takes four times as much CPU as all the rest.
"""

from __future__ import annotations

from base64 import b64encode
from http import HTTPStatus

from penstock.aws.s3.direct import S3Direct
from penstock.model.object import Content, Published, Target


class S3SmallWriter:
    """Implements ``CreateObject``. Memory: none beside the body."""

    def __init__(self, direct: S3Direct) -> None:
        self._direct = direct

    def __call__(self, target: Target, content: Content, *, body: bytearray, crc32: int) -> Published | None:
        """Write an object if there is none. S3 verifies the CRC32. Returns None unless it is certain to be written."""
        headers = {f"x-amz-meta-{name}": value for name, value in content.metadata.items()}
        headers |= {
            "Content-Type": content.content_type,
            "If-None-Match": "*",
            "x-amz-checksum-crc32": b64encode(crc32.to_bytes(4, "big")).decode(),
        }
        found = self._direct.send("PUT", target.bucket, target.key, headers, body)
        if found is None or found[0].status != HTTPStatus.OK:
            return None
        etag = found[0].headers.get("ETag", "")
        version = found[0].headers.get("x-amz-version-id", "")
        return Published(len(body), crc32, 0, etag.strip('"'), version) if etag.endswith('"') else None
