"""Uploads to a running stack, and the results of their jobs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from click.testing import CliRunner, Result

from penstock_cli.main import main
from penstock_local.deploy import STACK_NAME
from penstock_local.stack import Stack

WAIT_SECONDS = 60.0
# Seconds between two looks at a job. A look costs what a small job costs.
FIRST_PAUSE, LAST_PAUSE = 0.05, 0.5


Item = dict[str, Any]


def job_of(stack: Stack, key: str, patience: float = WAIT_SECONDS) -> Item:
    """The item of the jobs table for a key, after its job has ended."""
    return wait_for(stack, key, lambda item: "finished_at" in item, "end", patience)


def wait_for(stack: Stack, key: str, holds: Callable[[Item], bool], what: str, patience: float = WAIT_SECONDS) -> Item:
    """The item of the jobs table for a key, when ``holds`` is true of it."""
    dynamodb, uri = stack.client("dynamodb"), f"s3://{stack.source_bucket}/{key}"
    deadline, pause = time.monotonic() + patience, FIRST_PAUSE
    while time.monotonic() < deadline:
        for item in dynamodb.scan(TableName=stack.jobs_table)["Items"]:
            if item.get("source", {}).get("S") == uri and holds(item):
                return dict(item)
        time.sleep(pause)
        pause = min(pause * 1.3, LAST_PAUSE)
    raise AssertionError(f"the job of {key} did not {what} within {patience} s")


def command(stack: Stack, *arguments: str, code: int = 0) -> Result:
    """Run `penstock` with this stack."""
    runner = CliRunner(mix_stderr=False)
    result = runner.invoke(main, [*arguments, "--stack", STACK_NAME], env=stack.environment)
    assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
    return result


def job_of_version(stack: Stack, version: str, *states: str) -> dict[str, Any]:
    """The item of the jobs table for a version, when its job is in one of these states."""
    dynamodb = stack.client("dynamodb")
    deadline, pause = time.monotonic() + WAIT_SECONDS, FIRST_PAUSE
    while time.monotonic() < deadline:
        for item in dynamodb.scan(TableName=stack.jobs_table)["Items"]:
            if item.get("version", {}).get("S") == version and item["state"]["S"] in states:
                return dict(item)
        time.sleep(pause)
        pause = min(pause * 1.3, LAST_PAUSE)
    raise AssertionError(f"the job of version {version} is in none of {states} within {WAIT_SECONDS} s")


def upload(stack: Stack, key: str, body: bytes) -> dict[str, Any]:
    stack.client("s3").put_object(Bucket=stack.source_bucket, Key=key, Body=body)
    return job_of(stack, key)


def result(stack: Stack, key: str) -> bytes:
    body: bytes = stack.client("s3").get_object(Bucket=stack.destination_bucket, Key=key)["Body"].read()
    return body


def keys(stack: Stack, bucket: str) -> list[str]:
    return [item["Key"] for item in stack.client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])]
