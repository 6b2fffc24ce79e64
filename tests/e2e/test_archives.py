"""Large archives on the deployed stack: small members in batches, large ones in spans, and a damaged one."""

from __future__ import annotations

import gzip
import io
import random
import zipfile

import pytest

from fixtures.tars import tar_of
from penstock_local.stack import Stack
from stack_jobs import command, job_of, keys, result

# The machine looks at the large member's job after 15 seconds, at the earliest.
PATIENCE = 180.0
SMALL = {f"small/{number}.txt": b"%d\n" % number * 500 for number in range(200)}


def archive(large: bytes, text: bytes) -> bytes:
    """A zip with all of these, and with a member whose bytes are damaged."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in SMALL.items():
            packed.writestr(name, data)
        packed.writestr("large.bin", large, zipfile.ZIP_STORED)
        packed.writestr("large.txt", text, compresslevel=1)
        packed.writestr("damaged.txt", b"these bytes will be damaged", zipfile.ZIP_STORED)
    return file.getvalue().replace(b"these bytes will", b"these bits will!", 1)


@pytest.mark.long
def test_every_good_member_of_a_large_zip_is_delivered_and_the_damaged_one_is_named(stack: Stack) -> None:
    draw = random.Random(3)
    large = draw.randbytes(11 * 10**6)
    text = b"".join(b"%d,%x\n" % (number, draw.getrandbits(800)) for number in range(70_000))
    stack.client("s3").put_object(Bucket=stack.source_bucket, Key="many.zip", Body=archive(large, text))
    job = job_of(stack, "many.zip", PATIENCE)
    assert (job["state"]["S"], job["failure"]["M"]["error"]["S"]) == ("failed", "MembersFailedError"), job
    message = job["failure"]["M"]["message"]["S"]
    assert "1 member was not delivered: damaged.txt: " in message
    delivered = {key for key in keys(stack, stack.destination_bucket) if key.startswith("many.zip/")}
    assert delivered == {f"many.zip/{name}" for name in (*SMALL, "large.bin", "large.txt")}
    for name in ("small/0.txt", "small/199.txt"):
        assert result(stack, f"many.zip/{name}") == SMALL[name]
    for name, data in (("large.bin", large), ("large.txt", text)):
        key = f"many.zip/{name}"
        assert result(stack, key) == data
        child = job_of(stack, key)
        assert child["state"]["S"] == "succeeded"
        assert int(child["spans_done"]["N"]) == int(child["spans"]["N"]) > 1
        head = stack.client("s3").head_object(Bucket=stack.destination_bucket, Key=key, ChecksumMode="ENABLED")
        assert head["ChecksumType"] == "FULL_OBJECT"
    shown = command(stack, "status", job["pk"]["S"].removeprefix("job#")).stdout
    assert "202 of 203 delivered, 1 failed" in shown


def test_a_large_compressed_tar_is_indexed_and_its_members_are_delivered(stack: Stack) -> None:
    members = {f"{number}.bin": random.Random(number).randbytes(300_000) for number in range(24)}
    packed = gzip.compress(tar_of(members), 1)
    stack.client("s3").put_object(Bucket=stack.source_bucket, Key="many.tar.gz", Body=packed)
    job = job_of(stack, "many.tar.gz", PATIENCE)
    assert job["state"]["S"] == "succeeded", job
    assert job["codec"]["S"] == "tar.gzip"
    assert {key for key in keys(stack, stack.destination_bucket) if key.startswith("many.tar.gz/")} == {
        f"many.tar.gz/{name}" for name in members
    }
    for name in ("0.bin", "23.bin"):
        assert result(stack, f"many.tar.gz/{name}") == members[name]
