"""Patches of settings of buckets."""
# ruff: noqa: SLF001  # patches replace private names; the version is pinned and checked

from __future__ import annotations

from itertools import combinations
from typing import Any

from ministack.services import s3  # type: ignore[import-not-found]  # installed in another virtual environment

from penstock_local.emulator.patches.multipart import Response

_OWNER = "x-amz-expected-bucket-owner"
_OVERLAP = (
    "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are "
    "overlapping for the same event type."
)


def check_expected_owner() -> None:
    """A request that names the expected owner of the bucket answers 403 if another account owns it.

    MiniStack ignores the header.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html
    """
    dispatch = s3._dispatch

    def dispatching(method: str, bucket: str, key: str, headers: Any, *rest: Any, **named: Any) -> Response:
        expected = (headers or {}).get(_OWNER)
        owner = s3._bucket_owner_account(bucket) if bucket and expected else None
        if owner is not None and owner != expected:
            refused: Response = s3._error("AccessDenied", "Access Denied", 403, f"/{bucket}")
            return refused
        answer: Response = dispatch(method, bucket, key, headers, *rest, **named)
        return answer

    s3._dispatch = dispatching


def refuse_overlapping_notifications() -> None:
    """A notification configuration is refused if two entries share an event type, and both their prefixes and their
    suffixes overlap.

    MiniStack accepts it.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html
    """
    put = s3._put_bucket_notification

    def putting(name: str, body: bytes, headers: Any = None) -> Response:
        entries = s3._parse_notification_config_raw(body.decode("utf-8", errors="replace"))
        if name in s3._buckets and any(_overlap(one, other) for one, other in combinations(entries, 2)):
            refused: Response = s3._error("InvalidArgument", _OVERLAP, 400)
            return refused
        answer: Response = put(name, body, headers)
        return answer

    s3._put_bucket_notification = putting


def _overlap(one: dict[str, Any], other: dict[str, Any]) -> bool:
    events = any(
        _begins(first.removesuffix("*"), second.removesuffix("*")) if "*" in first + second else first == second
        for first in one["events"]
        for second in other["events"]
    )
    prefixes = one["filter_prefix"] or "", other["filter_prefix"] or ""
    suffixes = (one["filter_suffix"] or "")[::-1], (other["filter_suffix"] or "")[::-1]
    return events and _begins(*prefixes) and _begins(*suffixes)


def _begins(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)
