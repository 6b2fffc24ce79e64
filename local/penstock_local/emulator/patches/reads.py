"""Patches of reads of objects."""
# ruff: noqa: SLF001  # patches replace private names; the version is pinned and checked

from __future__ import annotations

from typing import Any

from ministack.services import s3  # type: ignore[import-not-found]  # installed in another virtual environment

from penstock_local.emulator.patches.multipart import OK, Response


def serve_ranges_of_versions() -> None:
    """GET with ``versionId`` applies ``Range`` like any other GET. MiniStack returns the complete version.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    """
    get = s3._get_object

    def get_object(bucket: str, key: str, headers: dict[str, str], query: Any = None) -> Response:
        status, answer, body = get(bucket, key, headers, query)
        if status != OK or "range" not in headers:
            return status, answer, body
        wanted = s3._parse_range(headers["range"], len(body))
        if wanted is None:
            unsatisfied = {"Content-Type": "application/xml", "Content-Range": f"bytes */{len(body)}"}
            return 416, unsatisfied, s3._xml_body(s3._range_error_xml(bucket, key))
        start, end = wanted
        partial = {name: value for name, value in answer.items() if not name.startswith("x-amz-checksum-")}
        partial["Content-Length"] = str(end + 1 - start)
        partial["Content-Range"] = f"bytes {start}-{end}/{len(body)}"
        return 206, partial, body[start : end + 1]

    s3._get_object = get_object
