"""`penstock connect` on a deployed stack: a bucket that it has connected is a source."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import pytest

from connect_command import Command, notifications
from penstock_local.deploy import STACK_NAME
from penstock_local.stack import Stack
from stack_jobs import upload

ROW = b"A-1,Source2,3,2023-01-01 00:00:00,Right lane blocked due to accident.\n"


@pytest.mark.parametrize("via", ["eventbridge", "sqs"])
def test_a_connected_bucket_is_a_source(stack: Stack, tmp_path: Path, via: str) -> None:
    connect = Command(stack, tmp_path, {"PENSTOCK_STACK": STACK_NAME})
    assert connect("s3://connected", "--via", via).exit_code == 1

    applied = connect("s3://connected", "--via", via, "--apply")

    assert applied.exit_code == 0, applied.output
    job = upload(replace(stack, source_bucket="connected"), f"existing/by {via}.csv.gz", gzip.compress(ROW))
    assert job["state"]["S"] == "succeeded"
    assert connect("s3://connected", "--remove").exit_code == 0
    assert notifications(stack, "connected") == {}
