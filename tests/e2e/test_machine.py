"""Large objects on the deployed stack: the state machine cuts them into spans, and the result is complete and right."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from penstock_local.stack import Stack
from stack_jobs import job_of_version, keys, result, upload

DRAW = random.Random(11)


@pytest.fixture(scope="module")
def text() -> bytes:
    """15 MB, which gzip compresses to 7 MB."""
    return b"".join(b"%d,%x\n" % (number, DRAW.getrandbits(800)) for number in range(70_000))


@pytest.mark.parametrize("key", ["large.csv.gz", "large.csv"])
def test_a_large_object_is_delivered_completely(stack: Stack, text: bytes, key: str) -> None:
    job = upload(stack, key, gzip.compress(text, 1) if key.endswith(".gz") else text)
    assert job["state"]["S"] == "succeeded", job
    assert int(job["spans_done"]["N"]) == int(job["spans"]["N"]) > 1
    assert result(stack, "large.csv") == text
    head = stack.client("s3").head_object(Bucket=stack.destination_bucket, Key="large.csv", ChecksumMode="ENABLED")
    assert head["ChecksumType"] == "FULL_OBJECT"


def test_a_truncated_large_object_leaves_nothing(stack: Stack, text: bytes) -> None:
    job = upload(stack, "short.csv.gz", gzip.compress(text, 1)[:-1000])
    assert (job["state"]["S"], job["failure"]["M"]["error"]["S"]) == ("failed", "TruncatedSourceError")
    s3 = stack.client("s3")
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=stack.destination_bucket, Prefix="short.csv")
    assert "short.csv" not in keys(stack, stack.destination_bucket)


@pytest.mark.long
def test_of_two_large_versions_at_the_same_time_the_newer_is_published(stack: Stack, text: bytes) -> None:
    """In any order: S3 refuses to complete the older one's upload if the newer one has been published."""
    s3, where = stack.client("s3"), {"Bucket": stack.source_bucket, "Key": "versions.csv"}
    older, newer = (s3.put_object(**where, Body=body)["VersionId"] for body in (text[::-1], text))
    assert job_of_version(stack, newer, "succeeded", "failed", "superseded")["state"]["S"] == "succeeded"
    ended = job_of_version(stack, older, "succeeded", "failed", "superseded", "waiting")["state"]["S"]
    assert ended != "failed"
    assert result(stack, "versions.csv") == text
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=stack.destination_bucket, Prefix="versions.csv")


ROWS = 90_000
BAD = {1: "first", 42_000: "in the middle", ROWS: "last"}


def lines() -> Iterator[str]:
    """Every third row has a line end and quotes inside a field."""
    yield "id,note,amount\n"
    for number in range(1, ROWS + 1):
        if number in BAD:
            yield f"{number},{BAD[number]}\n"
        elif number % 3:
            yield f"{number},{DRAW.getrandbits(600):x},{number * 2}\n"
        else:
            yield f'{number},"{DRAW.getrandbits(600):x}\nand ""more"", too",{number * 2}\n'


def test_spans_load_every_row_of_a_large_csv_with_quoted_line_ends_once(stack: Stack) -> None:
    job = upload(stack, "orders/large.csv.gz", gzip.compress("".join(lines()).encode(), 1))
    assert job["state"]["S"] == "succeeded", job
    assert int(job["spans_done"]["N"]) == int(job["spans"]["N"]) > 1
    good = [number for number in range(1, ROWS + 1) if number not in BAD]
    with psycopg.connect(stack.postgres_dsn) as database:
        found = database.execute("SELECT count(*), count(DISTINCT id), sum(id), sum(amount) FROM orders").fetchone()
    assert found == (len(good), len(good), sum(good), 2 * sum(good))
    assert rejected_rows(stack, job) == sorted(BAD)


def rejected_rows(stack: Stack, job: dict[str, Any]) -> list[int]:
    s3, prefix = stack.client("s3"), f"jobs/{job['pk']['S'].removeprefix('job#')}/rejects/"
    listed = s3.list_objects_v2(Bucket=stack.work_bucket, Prefix=prefix)["Contents"]
    bodies = [s3.get_object(Bucket=stack.work_bucket, Key=entry["Key"])["Body"].read() for entry in listed]
    return sorted(json.loads(line)["row"] for body in bodies for line in body.splitlines())
