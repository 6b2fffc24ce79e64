"""The contracts of S3, SQS and DynamoDB with the oldest botocore that is supported, and with the newest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS = (
    "bucket_sink",
    "byte_source",
    "conditional_completion",
    "dynamodb_values",
    "message_queue",
    "object_reader",
    "part_store",
    "source_objects",
    "upload_service",
)
# Those of the time of the oldest botocore (docs/adr/0003). Without versions, pip takes the newest.
OLDEST = ("botocore==1.36.0", "boto3==1.36.0", "s3transfer==0.11.0")
NEWEST = ("botocore", "boto3", "s3transfer")


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("packages", [OLDEST, NEWEST], ids=["oldest", "newest"])
def test_the_contracts_hold(packages: tuple[str, ...], tmp_path: Path) -> None:
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(tmp_path), *packages]
    subprocess.run(install, check=True, timeout=300)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "TESTS"))}
    environment = kept | {"PYTHONPATH": str(tmp_path)}
    where = [sys.executable, "-c", "import botocore; print(botocore.__file__)"]
    used = subprocess.run(where, env=environment, capture_output=True, text=True, check=True).stdout.strip()
    assert Path(used).is_relative_to(tmp_path)
    tests = [f"tests/contract/test_{name}.py" for name in CONTRACTS]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "emulator or dynamodb_values", *tests],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-4000:]
