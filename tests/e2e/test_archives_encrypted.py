"""An encrypted zip on the deployed stack: its password is in a secret that the template lets the functions read."""

from __future__ import annotations

import json
import random

import pytest

from fixtures.encrypted_zips import PASSWORD, aes_zip
from penstock_local.stack import Stack
from stack_jobs import job_of, result

PATIENCE = 180.0


@pytest.mark.long
def test_small_and_large_encrypted_members_are_delivered(stack: Stack) -> None:
    secrets = stack.client("secretsmanager")
    secrets.create_secret(Name="archives/e2e", SecretString=json.dumps({"password": PASSWORD.decode()}))
    large = random.Random(5).randbytes(7 * 10**6)
    small, both = {"a.txt": b"small"}, {"a.txt": b"small", "large.bin": large}
    for name, members in (("small", small), ("large", both)):
        key = f"encrypted/{name}.zip"
        stack.client("s3").put_object(Bucket=stack.source_bucket, Key=key, Body=aes_zip(members))
        job = job_of(stack, key, PATIENCE)
        assert job["state"]["S"] == "succeeded", job
        assert {member: result(stack, f"{key}/{member}") for member in members} == members
    assert job_of(stack, "encrypted/large.zip/large.bin")["state"]["S"] == "succeeded"
