"""A bucket full of objects from before its connection is delivered, killed and all, while new objects arrive."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from e2e.test_existing_buckets import by_queue, notify
from lengths import long
from penstock_cli.main import main
from penstock_local.deploy import STACK_NAME
from penstock_local.stack import Stack

BUCKETS = {"none": "existing-history", "versions": "existing-history-versions"}
# The emulator ends some jobs a second.
SECONDS_EACH = 2.0


class History:
    """Objects of a bucket: some become rows, some copies."""

    def __init__(self, stack: Stack, bucket: str, state: Path) -> None:
        self.stack = stack
        self.bucket = bucket
        self.s3 = stack.client("s3")
        self.state = state
        status = "Enabled" if bucket == BUCKETS["versions"] else "Suspended"
        if status == "Enabled":
            self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
        notify(stack, bucket, {})
        self.execute("DROP TABLE IF EXISTS history")
        self.execute("CREATE TABLE history (id integer NOT NULL, name text)")

    def put(self, key: str, text: str) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=text.encode())

    def fill(self, count: int) -> None:
        def put(number: int) -> None:
            self.put(f"history/{self.bucket}/{number:05}.csv", f"id,name\n{number},old {number}\n")
            self.put(copy_of(self.bucket, number), f"{number},old\n")

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(put, range(count)))
        self.put("nowhere-at-all", "no route")

    def arguments(self, *more: str) -> list[str]:
        own = ["backfill", f"s3://{self.bucket}", "--state", str(self.state), "--stack", STACK_NAME]
        return [*own, "--yes", "--json", *more]

    def run(self, *more: str, environment: Mapping[str, str] | None = None, code: int = 0) -> Result:
        env = environment or self.stack.environment
        result = CliRunner(mix_stderr=False).invoke(main, self.arguments(*more), env=env)
        assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
        return result

    def kill_when_begun(self) -> None:
        """Run the command in a process of its own, and kill it once something was sent."""
        command = [str(Path(sys.executable).with_name("penstock")), *self.arguments("--rate", "10")]
        env = {**os.environ, **self.stack.environment}
        with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL) as process:
            deadline = time.monotonic() + 60
            while self.sent() == 0:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL

    def sent(self) -> int:
        return int(json.loads(self.state.read_text())["counts"]["sent"]) if self.state.exists() else 0

    def execute(self, query: str) -> list[Any]:
        with psycopg.connect(self.stack.postgres_dsn, autocommit=True) as connection:
            cursor = connection.execute(query)
            return cursor.fetchall() if cursor.description else []

    def rows(self) -> int:
        return int(self.execute("SELECT count(*) FROM history")[0][0])

    def copy(self, number: int) -> str:
        bucket, key = self.stack.destination_bucket, copy_of(self.bucket, number)
        try:
            return str(self.s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode())
        except self.s3.exceptions.NoSuchKey:
            return ""

    def wait(self, rows: int, copies: Mapping[int, str], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.rows() >= rows and all(self.copy(number) == text for number, text in copies.items()):
                return
            time.sleep(1)
        wrong = {number: self.copy(number) for number, text in copies.items() if self.copy(number) != text}
        raise AssertionError(f"{self.rows()} of {rows} rows; wrong copies, such as {list(wrong.items())[:3]}")


def copy_of(bucket: str, number: int) -> str:
    return f"past/{bucket}/a+b {number:05} é%2F.csv"


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("kind", BUCKETS)
@pytest.mark.parametrize("count", [25, long(5000)])
@pytest.mark.long
def test_existing_objects_are_delivered_once(stack: Stack, tmp_path: Path, kind: str, count: int) -> None:
    history = History(stack, BUCKETS[kind], tmp_path / "state.json")
    history.fill(count)
    history.kill_when_begun()
    # The bucket is connected, and new objects arrive.
    notify(stack, history.bucket, by_queue(stack, history.bucket))
    for number in (0, count // 2, count - 1, count):
        history.put(copy_of(history.bucket, number), f"{number},new\n")
    history.put(f"history/{history.bucket}/{count:05}.csv", f"id,name\n{count},new\n")

    result = json.loads(history.run("--rate", "1000").stdout)
    # An unsorted listing, as all but AWS's own, begins again: what was sent before the kill may not be on record yet.
    assert result["forecast"] is None or result["forecast"]["jobs"] >= 2 * count
    assert result["sent"] + result["done"] + result["failed"] >= 2 * count
    assert (result["failed"], result["skipped"]["no_route"]) == (0, 1)
    new = {0, count // 2, count - 1, count}
    copies = {number: f"{number},{'new' if number in new else 'old'}\n" for number in range(count + 1)}
    history.wait(count + 1, copies, 60 + SECONDS_EACH * count)

    again = json.loads(history.run().stdout)
    assert again["sent"] == 0
    assert again["done"] == 2 * count + 2
    assert history.execute("SELECT count(*), count(DISTINCT id) FROM history") == [(count + 1, count + 1)]
    assert not history.state.exists()


RIGHTS: Mapping[str, str] = {
    "cloudformation:DescribeStacks": "*",
    "s3:GetBucketVersioning": "arn:aws:s3:::{bucket}",
    "s3:ListBucketVersions": "arn:aws:s3:::{bucket}",
    "s3:GetObject": "arn:aws:s3:::{work_bucket}/config/*",
    "dynamodb:BatchGetItem": "arn:aws:dynamodb:*:*:table/{jobs_table}",
    "sqs:SendMessage": "*",
    "sqs:GetQueueAttributes": "*",
}


@pytest.mark.long
def test_the_documented_rights_are_enough_and_none_is_too_much(stack: Stack, tmp_path: Path) -> None:
    documented = (Path(__file__).parents[2] / "docs" / "backfill.md").read_text()
    history = History(stack, BUCKETS["versions"], tmp_path / "state.json")
    history.put("past/right.csv", "1,2\n")
    with user(stack, history.bucket, RIGHTS) as environment:
        history.run("--again", environment=environment)
    for right in RIGHTS:
        assert f"`{right}`" in documented
        rest = {name: resource for name, resource in RIGHTS.items() if name != right}
        with user(stack, history.bucket, rest) as environment:
            refused = history.run("--again", "--restart", environment=environment, code=1)
        assert right in refused.stderr, right


@contextmanager
def user(stack: Stack, bucket: str, rights: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The environment of a user with these rights only."""
    iam, name = stack.client("iam"), "backfiller"
    names = {"bucket": bucket, "work_bucket": stack.work_bucket, "jobs_table": stack.jobs_table}
    statements = [
        {"Effect": "Allow", "Action": action, "Resource": resource.format(**names)}
        for action, resource in rights.items()
    ]
    iam.create_user(UserName=name)
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_user_policy(UserName=name, PolicyName="backfill", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    try:
        yield {
            **stack.environment,
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        }
    finally:
        iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
        iam.delete_user_policy(UserName=name, PolicyName="backfill")
        iam.delete_user(UserName=name)
