"""Uploads to a running stack, and what became of them."""

from __future__ import annotations

import time
from typing import Any

from penstock_local.stack import Stack

PATIENCE = 60.0


def job_of(stack: Stack, key: str) -> dict[str, Any]:
    """The item of the jobs table for a key, once its job has ended."""
    dynamodb, uri = stack.client("dynamodb"), f"s3://{stack.source_bucket}/{key}"
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for item in dynamodb.scan(TableName=stack.jobs_table)["Items"]:
            if item.get("source", {}).get("S") == uri and "finished_at" in item:
                return dict(item)
        time.sleep(0.1)
    raise AssertionError(f"the job of {key} did not end within {PATIENCE} s")


def job_of_version(stack: Stack, version: str, *states: str) -> dict[str, Any]:
    """The item of the jobs table for a version, once its job is in one of these states."""
    dynamodb = stack.client("dynamodb")
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for item in dynamodb.scan(TableName=stack.jobs_table)["Items"]:
            if item.get("version", {}).get("S") == version and item["state"]["S"] in states:
                return dict(item)
        time.sleep(0.1)
    raise AssertionError(f"the job of version {version} is in none of {states} within {PATIENCE} s")


def upload(stack: Stack, key: str, body: bytes) -> dict[str, Any]:
    stack.client("s3").put_object(Bucket=stack.source_bucket, Key=key, Body=body)
    return job_of(stack, key)


def result(stack: Stack, key: str) -> bytes:
    body: bytes = stack.client("s3").get_object(Bucket=stack.destination_bucket, Key=key)["Body"].read()
    return body


def keys(stack: Stack, bucket: str) -> list[str]:
    return [item["Key"] for item in stack.client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])]
