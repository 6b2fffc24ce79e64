"""A bucket that a team has had for years, by the commands of the wheel alone: connected, backfilled while new objects
arrive, one of them failing, moved and tagged; found in the history, fixed, redriven; the week's page in a browser."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import boto3
import psycopg
import pytest

from installed_wheel import Command, installed_penstock

__all__ = ["installed_penstock"]

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("stack"), pytest.mark.timeout(1800)]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
BUCKET = "acme-drops"
EXISTING, LATE = 10_000, 50
BAD = "drops/returns/1.json"  # its table does not exist yet
ROUTES = """
[[route]]
name = "returns"
match = "drops/returns/*.json"
destination = "postgresql:returns"
after = { success = "tag", failure = "move:quarantine/" }
[route.parse]
format = "jsonl"
[route.table]
columns = [{ name = "id", type = "integer", nullable = false }, { name = "name" }]

[[route]]
name = "orders"
match = "drops/orders/*.json"
destination = "postgresql:orders"
after = { failure = "move:quarantine/" }
[route.parse]
format = "jsonl"
[route.table]
create = true
columns = [{ name = "id", type = "integer", nullable = false }, { name = "name" }]
"""


class Account:
    """What the team has: the bucket, and a subscriber to the events of jobs."""

    def __init__(self, described: dict[str, Any]) -> None:
        self._keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
        self._endpoint = described["endpoint"]
        self.s3 = self.client("s3")
        self.sqs = self.client("sqs")

    def client(self, service: str) -> Any:
        return boto3.client(service, endpoint_url=self._endpoint, **self._keys)  # type: ignore[call-overload]

    def fill(self) -> None:
        """A versioned bucket with another team's notification, and its old objects."""
        self.s3.create_bucket(Bucket=BUCKET)
        self.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(self.drop, range(EXISTING - 1)))
        self.s3.put_object(Bucket=BUCKET, Key=BAD, Body=b'{"id":1,"name":"one"}\n')

    def drop(self, number: int) -> None:
        body = json.dumps({"id": number, "name": f"order {number}"}).encode()
        self.s3.put_object(Bucket=BUCKET, Key=f"drops/orders/{number:06d}.json", Body=body)

    def subscribe(self) -> str:
        queue: str = self.sqs.create_queue(QueueName="subscriber")["QueueUrl"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
        events = self.client("events")
        pattern = json.dumps({"source": ["penstock"], "detail": {"state": ["failed"]}})
        rule = events.put_rule(Name="failed-jobs", EventPattern=pattern)["RuleArn"]
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": attributes["QueueArn"],
            "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
        events.put_targets(Rule="failed-jobs", Targets=[{"Id": "queue", "Arn": attributes["QueueArn"]}])
        return queue

    def keys(self, prefix: str) -> list[str]:
        return [one["Key"] for one in self.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])]

    def heard(self, queue: str) -> list[dict[str, Any]]:
        got = self.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
        return [json.loads(one["Body"]) for one in got]


def until(holds: Callable[[], bool], what: str, seconds: float = 300.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.5)


@pytest.fixture
def command(installed_penstock: Path, tmp_path: Path) -> Iterator[Command]:
    command = Command(installed_penstock, tmp_path, {})
    (tmp_path / "routes.toml").write_text(ROUTES)
    parameters = {
        "SourceBucketNames": BUCKET,
        "AfterActions": "move",
        "BatchSize": "1000",
        "BatchingWindowSeconds": "1",
        "MemorySize": "512",
    }
    options = [each for name, value in parameters.items() for each in ("--parameter", f"{name}={value}")]
    command.run("local", "up", "--detach", "--routes", "routes.toml", *options)
    yield command
    command.run("local", "down")


@pytest.fixture
def account(command: Command) -> Account:
    return Account(json.loads(command.run("local", "status", "--json")))


class Orders:
    """The table of orders."""

    def __init__(self, database: psycopg.Connection) -> None:
        self._database = database

    def count(self) -> tuple[int, int]:
        """Rows, and distinct rows."""
        if self._database.execute("SELECT to_regclass('orders')").fetchone() == (None,):
            return 0, 0
        counted: Any = self._database.execute("SELECT count(*), count(DISTINCT id) FROM orders").fetchone()
        return counted  # type: ignore[no-any-return]


def backfill_while_objects_arrive(command: Command, account: Account) -> None:
    """Send what is there, while `LATE` new objects are uploaded."""
    stopped = Event()

    def arrive() -> None:
        for number in range(EXISTING, EXISTING + LATE):
            account.drop(number)
            if stopped.wait(0.2):
                return

    with ThreadPoolExecutor(1) as threads:
        arriving = threads.submit(arrive)
        try:
            command.run("backfill", f"s3://{BUCKET}/drops/", "--local", "--yes", "--rate", "1000")
            arriving.result()
        finally:
            stopped.set()


def find_the_failed(command: Command, account: Account, subscriber: str) -> str:
    """Find the job that failed, by the bucket, by its event and by the history. Return its id."""
    until(lambda: bool(account.keys("quarantine/")), "the failed object was not moved")
    assert account.keys("quarantine/") == [f"quarantine/{BAD}"]
    assert account.keys("drops/returns/") == []
    heard: list[dict[str, Any]] = []

    def is_heard() -> bool:
        heard.extend(account.heard(subscriber))
        return bool(heard)

    until(is_heard, "no event arrived", 60.0)
    assert [(one["detail-type"], one["detail"]["key"]) for one in heard] == [("Penstock Job Failed", BAD)]
    found = command.run("jobs", "--since", "7d", "--route", "returns", "--state", "failed", "--json", "--local")
    (failed,) = json.loads(found)["jobs"]
    job = str(failed["job"])
    assert job == heard[0]["detail"]["job"]
    tags = account.s3.get_object_tagging(Bucket=BUCKET, Key=f"quarantine/{BAD}")["TagSet"]
    assert {one["Key"]: one["Value"] for one in tags} == {"penstock-state": "failed", "penstock-job": job}
    assert f"quarantine/{BAD}" in command.run("status", job, "--local")
    return job


def look_at_the_week(command: Command) -> None:
    """Write the page of the week, and open it in a browser if there is one."""
    command.run("report", "--since", "7d", "--local", "--output", "week.html")
    page = command.folder / "week.html"
    assert f"{EXISTING + LATE:,}" in page.read_text()
    if CHROMIUM:
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
        shown = subprocess.run(
            [CHROMIUM, *options, page.as_uri()], capture_output=True, text=True, check=True, timeout=60
        ).stdout
        assert "<svg" in shown
        assert "orders" in shown


def test_a_bucket_of_years_joins_the_stack(command: Command, account: Account) -> None:
    account.fill()
    subscriber = account.subscribe()
    command.run("connect", f"s3://{BUCKET}", "--local", code=1)
    command.run("connect", f"s3://{BUCKET}", "--local", "--apply")
    command.run("connect", f"s3://{BUCKET}", "--local")
    assert f"{EXISTING:,}" in command.run("backfill", f"s3://{BUCKET}/drops/", "--local", "--dry-run")

    dsn = json.loads(command.run("local", "status", "--json"))["postgres_dsn"]
    with psycopg.connect(dsn, autocommit=True) as database:
        orders, rows = Orders(database), EXISTING - 1 + LATE
        backfill_while_objects_arrive(command, account)
        until(lambda: orders.count()[0] >= rows, "not every object was loaded")
        assert orders.count() == (rows, rows)

        job = find_the_failed(command, account, subscriber)
        database.execute("CREATE TABLE returns (id integer NOT NULL, name text)")
        command.run("redrive", job, "--local")
        assert "succeeded" in command.run("watch", job, "--local")
        assert database.execute("SELECT * FROM returns").fetchall() == [(1, "one")]

        # Once more: everything is done already.
        command.run("backfill", f"s3://{BUCKET}/drops/", "--local", "--yes", "--rate", "1000", "--restart")
        assert orders.count() == (rows, rows)
    look_at_the_week(command)
    command.run("doctor", "--local")
