"""Jobs whose first attempt fails on the deployed stack: the next attempt, under the same roles, delivers them."""

from __future__ import annotations

import bz2
import gzip
import json
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from lengths import IS_LONG
from penstock_local.access import decisions
from penstock_local.stack import Stack
from postgres_switch import PostgresSwitch
from stack_jobs import Item, command, job_of, result, upload, wait_for

# A lease of a minute, the next attempt, and a margin for a slow machine.
WAIT_SECONDS = 240.0
AWAY = 25.0
DRAW = random.Random(12)
KILLED = "killed.csv.bz2"


@pytest.fixture(scope="module")
def stack_with_fast_retries(stack: Stack) -> Iterator[Stack]:
    """The stack, with a queue that redelivers messages after seconds instead of six timeouts of the function."""
    sqs = stack.client("sqs")
    before = sqs.get_queue_attributes(QueueUrl=stack.queue_url, AttributeNames=["VisibilityTimeout"])["Attributes"]
    sqs.set_queue_attributes(QueueUrl=stack.queue_url, Attributes={"VisibilityTimeout": "10"})
    yield stack
    sqs.set_queue_attributes(QueueUrl=stack.queue_url, Attributes=before)


@pytest.fixture(scope="module")
def content() -> bytes:
    return b"".join(b"%d,%x\n" % (number, DRAW.getrandbits(400)) for number in range(90_000))


@pytest.fixture(scope="module")
def killed(stack_with_fast_retries: Stack, content: bytes) -> str:
    """A job whose function was killed. The other tests run until its lease ends."""
    stack_with_fast_retries.client("s3").put_object(
        Bucket=stack_with_fast_retries.source_bucket, Key=KILLED, Body=bz2.compress(content)
    )
    wait_for(stack_with_fast_retries, KILLED, is_running, "begin")
    assert kill_workers(stack_with_fast_retries)
    return KILLED


def is_running(item: Item) -> bool:
    return bool(item["state"]["S"] == "running")


def has_started(item: Item) -> bool:
    return bool(item["state"]["S"] in {"running", "waiting"})


def has_succeeded(item: Item) -> bool:
    return bool(item["state"]["S"] == "succeeded")


def kill_workers(stack: Stack) -> int:
    """Send SIGKILL to every process of the ingest function, and return their number."""
    name = f"AWS_LAMBDA_FUNCTION_NAME={stack.ingest_function}\0".encode()
    killed = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(process.name)) == stack.pid and name in (process / "environ").read_bytes() + b"\0":
                os.kill(int(process.name), signal.SIGKILL)
                killed += 1
        except (OSError, ProcessLookupError):
            continue  # it has ended, or belongs to another user
    return killed


def rows(count: int) -> bytes:
    return ("id,name\n" + "".join(f"{n},the name of {n}\n" for n in range(count))).encode()


def create(stack: Stack, table: str) -> None:
    with psycopg.connect(stack.postgres_dsn, autocommit=True) as database:
        database.execute(f"CREATE TABLE {table} (id integer NOT NULL, name text)".encode())


def found(stack: Stack, table: str) -> tuple[int, int, int]:
    with psycopg.connect(stack.postgres_dsn, autocommit=True) as database:
        query = f"SELECT count(*), count(DISTINCT id), coalesce(sum(id), 0) FROM {table}"
        return database.execute(query.encode()).fetchone() or (0, 0, 0)


def expected_rows(count: int) -> tuple[int, int, int]:
    return count, count, count * (count - 1) // 2


def state(job: Item) -> tuple[str, int]:
    return str(job["state"]["S"]), int(job["attempts"]["N"])


@pytest.mark.usefixtures("killed")
@pytest.mark.long
def test_a_load_survives_25_seconds_without_its_database(
    stack_with_fast_retries: Stack, database: PostgresSwitch
) -> None:
    count = 30_000
    create(stack_with_fast_retries, "away")
    # Close the database first, so that the load cannot finish earlier on a fast machine.
    database.close()
    try:
        stack_with_fast_retries.client("s3").put_object(
            Bucket=stack_with_fast_retries.source_bucket, Key="away/a.csv", Body=rows(count)
        )
        wait_for(stack_with_fast_retries, "away/a.csv", has_started, "begin")
        time.sleep(AWAY)
        assert not has_succeeded(wait_for(stack_with_fast_retries, "away/a.csv", lambda item: True, "be on record"))
    finally:
        database.open()
    job = job_of(stack_with_fast_retries, "away/a.csv", WAIT_SECONDS)
    assert job["state"]["S"] == "succeeded", job
    assert found(stack_with_fast_retries, "away") == expected_rows(count)


@pytest.mark.usefixtures("killed")
@pytest.mark.long
def test_an_append_whose_sessions_are_terminated_has_every_row_once(stack_with_fast_retries: Stack) -> None:
    """All sessions are terminated after the first rows are loaded, as by a failover or an operator."""
    count = 2_000_000 if IS_LONG else 350_000
    create(stack_with_fast_retries, "severed")
    stack_with_fast_retries.client("s3").put_object(
        Bucket=stack_with_fast_retries.source_bucket, Key="severed/a.csv", Body=rows(count)
    )
    deadline = time.monotonic() + WAIT_SECONDS
    with psycopg.connect(stack_with_fast_retries.postgres_dsn, autocommit=True) as database:
        while not database.execute("SELECT 1 FROM severed LIMIT 1").fetchall():
            assert time.monotonic() < deadline, "nothing was loaded"
            time.sleep(0.02)
        ended = database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchall()
    job = job_of(stack_with_fast_retries, "severed/a.csv", WAIT_SECONDS)
    assert ended
    assert job["state"]["S"] == "succeeded", job
    assert found(stack_with_fast_retries, "severed") == expected_rows(count)


def deny_writes(stack: Stack, prefix: str) -> dict[str, Any]:
    """Deny writes under a prefix of the destination, and return the previous policy."""
    s3, bucket = stack.client("s3"), stack.destination_bucket
    before: dict[str, Any] = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    denied = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{bucket}/{prefix}/*",
    }
    policy = {**before, "Statement": [*before["Statement"], denied]}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    return before


@pytest.mark.usefixtures("killed")
@pytest.mark.parametrize(("key", "copies"), [("small/one.csv.gz", 1), ("large/one.csv.gz", 2)])
def test_a_denied_object_is_redriven(stack_with_fast_retries: Stack, content: bytes, key: str, copies: int) -> None:
    before = deny_writes(stack_with_fast_retries, key.partition("/")[0])
    job = upload(stack_with_fast_retries, key, gzip.compress(content * copies, 1))
    assert (job["state"]["S"], job["failure"]["M"]["error"]["S"]) == ("failed", "AccessDeniedError"), job
    assert ("execution" in job) == (copies > 1)
    stack_with_fast_retries.client("s3").put_bucket_policy(
        Bucket=stack_with_fast_retries.destination_bucket, Policy=json.dumps(before)
    )
    redrive(stack_with_fast_retries, job)
    wait_for(stack_with_fast_retries, key, has_succeeded, "succeed", WAIT_SECONDS)
    assert result(stack_with_fast_retries, key.removesuffix(".gz")) == content * copies


@pytest.mark.usefixtures("killed")
def test_a_load_whose_table_was_missing_is_redriven(stack_with_fast_retries: Stack) -> None:
    job = upload(stack_with_fast_retries, "later/a.csv", rows(1_000))
    assert job["failure"]["M"]["error"]["S"] == "DestinationMissingError", job
    create(stack_with_fast_retries, "later")
    redrive(stack_with_fast_retries, job)
    wait_for(stack_with_fast_retries, "later/a.csv", has_succeeded, "succeed", WAIT_SECONDS)
    assert found(stack_with_fast_retries, "later") == expected_rows(1_000)


def redrive(stack: Stack, job: Item) -> None:
    id_ = job["pk"]["S"].removeprefix("job#")
    assert command(stack, "redrive", id_).stdout.startswith(f"redrive: {id_} ")


def test_the_next_attempt_does_the_job_of_a_killed_function(
    stack_with_fast_retries: Stack, killed: str, content: bytes
) -> None:
    job = job_of(stack_with_fast_retries, killed, WAIT_SECONDS)
    assert state(job)[0] == "succeeded", job
    assert state(job)[1] > 1
    assert result(stack_with_fast_retries, killed.removesuffix(".bz2")) == content


def test_only_requests_that_a_test_denied_were_refused(stack_with_fast_retries: Stack) -> None:
    refused = {str(decision) for decision in decisions(stack_with_fast_retries) if not decision.allowed}
    # The second one is of test_existing_buckets.py.
    assert not {text for text in refused if "not-in-the-policy" not in text and ":::not-listed/" not in text}
