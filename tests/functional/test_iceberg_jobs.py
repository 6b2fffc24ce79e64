"""Jobs into an Iceberg table, through the functions: each row is in the table once, whenever a function is killed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import count
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog import load_catalog

from lengths import long
from penstock_local.account import Account, emulator_only
from release_backend import DROPS, LAKE, ROUTES, WORK, Deployment, Functions, KilledError, deployment, run

pytestmark = pytest.mark.xdist_group("iceberg-jobs")

TABLE = """
[[route]]
name = "orders"
match = ["in/*"]
destination = "iceberg:{database}.orders"
[route.table]
create = true
mode = "{mode}"
columns = [{{ name = "id", type = "integer" }}, {{ name = "name", type = "text" }}]
"""
EVOLVING = """
[[route]]
name = "orders"
match = ["in/*"]
destination = "iceberg:{database}.orders"
max_rejects = 9
[route.table]
evolve = "widen"
"""
REGION = "us-east-1"
_numbers = count(1)


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with emulator_only() as account:
        yield account


@dataclass
class Lake:
    """A deployment with a catalog of Glue and a commit queue."""

    there: Deployment
    database: str
    queue: str
    keys: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def sqs(self) -> Any:
        return self.there.account.client("sqs")

    def routes(self, mode: str = "append", table: str = TABLE) -> None:
        self.there.put(WORK, ROUTES, table.format(database=self.database, mode=mode).encode())

    def upload_text(self, text: str, key: str) -> dict[str, Any]:
        """Upload a file. Return its event."""
        self.there.put(DROPS, key, text.encode())
        return self.there.event(key, f"0A{next(self.keys):04X}")

    def upload(self, first: int, rows: int, key: str = "") -> dict[str, Any]:
        """Upload a file with rows from number ``first`` on. Return its event."""
        number = next(self.keys)
        key = key or f"in/{number}.csv"
        text = "id,name\n" + "".join(f"{first + row},name {first + row}\n" for row in range(rows))
        return self.upload_text(text, key)

    def waiting(self) -> dict[str, Any]:
        """The messages in the commit queue, as Lambda hands them to the function."""
        found = []
        while messages := self.sqs.receive_message(
            QueueUrl=self.queue, MaxNumberOfMessages=10, VisibilityTimeout=0
        ).get("Messages"):
            for message in messages:
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
                found.append(
                    {
                        "eventSource": "aws:sqs",
                        "messageId": message["MessageId"],
                        "body": message["Body"],
                        "receiptHandle": "",
                        "eventSourceARN": f"arn:aws:sqs:{REGION}:000000000000:commits",
                        "attributes": {"ApproximateReceiveCount": "1"},
                    }
                )
        return {"Records": found}

    @property
    def catalog(self) -> Any:
        url = self.there.account.endpoint
        options = {"glue.endpoint": url, "glue.region": REGION, "s3.endpoint": url, "s3.region": REGION}
        for service in ("glue", "s3"):
            options |= {f"{service}.access-key-id": "test", f"{service}.secret-access-key": "test"}
        return load_catalog("glue", type="glue", **options)

    @property
    def table(self) -> Any:
        return self.catalog.load_table(f"{self.database}.orders")

    def made_narrow(self) -> None:
        """Create the table with narrow types, and let the route widen them."""
        self.routes(table=EVOLVING)
        fields = [("id", pa.int32()), ("price", pa.decimal128(4, 2)), ("rate", pa.float32()), ("day", pa.date32())]
        location = f"s3://{LAKE}/warehouse/orders-{self.database}"
        self.catalog.create_table(f"{self.database}.orders", pa.schema(fields), location=location)

    def fields(self) -> list[tuple[int, str, str]]:
        """The ids, names and types of the columns."""
        return [(one.field_id, one.name, str(one.field_type)) for one in self.table.schema().fields]

    def ids(self) -> list[int]:
        return sorted(self.table.scan().to_arrow().column("id").to_pylist())

    def snapshots(self) -> int:
        return len(self.table.snapshots())

    def states(self) -> list[str]:
        """The states of jobs, as `penstock jobs` shows them."""
        from penstock.aws.jobs_table.attributes import plain  # not for the module that tests of releases share
        from penstock.aws.jobs_table.items import status_of

        items = [plain(item) for item in self.there.items("jobs") if item["pk"]["S"].startswith("job#")]
        return sorted(str(status_of("", item).state) for item in items)

    def data_files(self) -> int:
        return sum(key.endswith(".parquet") for key in self.there.keys(LAKE))

    def change(self, prefix: str, **fields: int) -> None:
        """Change the numbers of items, as time does."""
        for item in self.there.items("jobs"):
            if item["pk"]["S"].startswith(prefix) and fields.keys() & item.keys():
                self.there.change("jobs", item | {name: {"N": str(value)} for name, value in fields.items()})


@contextmanager
def deployed(account: Account, **settings: str) -> Iterator[Lake]:
    number = next(_numbers)
    database = f"sales_{number}"
    account.client("glue").create_database(DatabaseInput={"Name": database})
    queue = account.client("sqs").create_queue(QueueName=f"commits-{number}")["QueueUrl"]
    given = {
        "PENSTOCK_ICEBERG_CATALOG": "glue",
        "PENSTOCK_ICEBERG_WAREHOUSE": f"s3://{LAKE}/warehouse",
        "PENSTOCK_COMMIT_QUEUE_URL": queue,
    }
    with deployment(settings=given | settings, account=account) as there:
        lake = Lake(there, database, queue)
        lake.routes()
        yield lake


@pytest.fixture
def lake(account: Account) -> Iterator[Lake]:
    with deployed(account) as found:
        yield found


@pytest.fixture
def spans(account: Account) -> Iterator[Lake]:
    """Every job is large, and has two spans."""
    with deployed(account, PENSTOCK_LARGE_BYTES="1", PENSTOCK_SPAN_BYTES="3000") as found:
        yield found


# Small jobs.


def test_small_jobs_wait_and_share_a_commit(lake: Lake) -> None:
    with lake.there.functions() as call:
        for number in range(4):
            (job,) = call("ingest", lake.upload(10 * number, 2))["jobs"]
            assert (job["state"], job["rows"]) == ("committing", 2)
        (job,) = call("ingest", lake.upload(90, 0))["jobs"]  # without rows
        messages = lake.waiting()
        assert len(messages["Records"]) == 5
        assert call("commit", messages) == {"batchItemFailures": []}
        assert call("commit", messages) == {"batchItemFailures": []}
    assert lake.ids() == [0, 1, 10, 11, 20, 21, 30, 31]
    assert (lake.snapshots(), lake.states()) == (1, ["succeeded"] * 5)


@pytest.mark.long
def test_a_repeated_event_announces_a_job_that_waits_once_more(lake: Lake) -> None:
    with lake.there.functions() as call:
        event = lake.upload(0, 1)
        call("ingest", event)
        lake.waiting()  # the message is lost
        (job,) = call("ingest", event)["jobs"]
        assert (job["state"], job["repeat"]) == ("committing", True)
        call("commit", lake.waiting())
    assert (lake.ids(), lake.states()) == ([0], ["succeeded"])


@pytest.mark.long
def test_a_newer_version_replaces_the_rows_of_an_older_one(lake: Lake) -> None:
    lake.routes("replace")
    with lake.there.functions() as call:
        call("ingest", lake.upload(0, 3, "in/all.csv"))
        call("commit", lake.waiting())
        assert lake.ids() == [0, 1, 2]
        call("ingest", lake.upload(10, 2, "in/all.csv"))
        call("commit", lake.waiting())
    assert (lake.ids(), lake.states()) == ([10, 11], ["succeeded"] * 2)


@pytest.mark.long
def test_a_burst_of_small_jobs_is_one_commit(lake: Lake) -> None:
    """On the machine of the tests, 99 jobs took 1.8 seconds from their messages to their ends."""
    uploads = [lake.upload(number, 1) for number in range(200)]
    with lake.there.functions() as call:
        call("ingest", {"Records": [record for event in uploads for record in event["Records"]]})
        began = time.monotonic()
        assert call("commit", lake.waiting()) == {"batchItemFailures": []}
        assert time.monotonic() - began < 60
    assert (lake.ids(), lake.snapshots()) == (list(range(200)), 1)


NARROW = [(1, "id", "int"), (2, "price", "decimal(4, 2)"), (3, "rate", "float"), (4, "day", "date")]
WIDE = [(1, "id", "long"), (2, "price", "decimal(7, 2)"), (3, "rate", "double"), (4, "day", "date"), (5, "x", "string")]
LINE = '{{"id": {id}, "price": {price}, "rate": {rate}, "day": "2024-02-29"{more}}}\n'
# What Iceberg cannot widen is a reject: more places, and another type.
OTHER = LINE.format(id='"n/a"', price=1, rate=1, more="") + LINE.format(id=1, price=1.125, rate=1, more="")


@pytest.mark.long
def test_a_small_job_adds_and_widens_columns(lake: Lake) -> None:
    lake.made_narrow()
    with lake.there.functions() as call:
        call("ingest", lake.upload_text(LINE.format(id=1, price=99.5, rate=0.5, more=""), "in/a.jsonl"))
        call("commit", lake.waiting())
        assert lake.fields() == NARROW
        text = LINE.format(id=2**40, price=12345.67, rate="1e300", more=', "x": "new"') + OTHER
        (job,) = call("ingest", lake.upload_text(text, "in/b.jsonl"))["jobs"]
        assert (job["rows"], job["rejects"]) == (1, 2)
        call("commit", lake.waiting())
    assert lake.fields() == WIDE
    day = date(2024, 2, 29)
    assert sorted(lake.table.scan().to_arrow().to_pylist(), key=lambda row: row["id"]) == [
        {"id": 1, "price": Decimal("99.50"), "rate": 0.5, "day": day, "x": None},
        {"id": 2**40, "price": Decimal("12345.67"), "rate": 1e300, "day": day, "x": "new"},
    ]


# The kills of a batch of two jobs. UpdateTable is the commit in Glue.
KILLS = ("UpdateItem:1:after", "UpdateItem:3:after", "UpdateTable:1", "UpdateTable:1:after", "UpdateItem:5:after")


@pytest.mark.long
@pytest.mark.parametrize("at", KILLS)
def test_a_commit_that_is_killed_is_finished_by_the_next_one(at: str, lake: Lake) -> None:
    with lake.there.functions() as call:
        for number in range(2):
            call("ingest", lake.upload(10 * number, 1))
    messages = lake.waiting()
    with lake.there.functions(at) as call, pytest.raises(KilledError):
        call("commit", messages)
    lake.change("commit#", until=0)
    with lake.there.functions() as call:
        assert call("commit", messages) == {"batchItemFailures": []}
    assert (lake.ids(), lake.snapshots(), lake.states()) == ([0, 10], 1, ["succeeded"] * 2)


@pytest.mark.long
@pytest.mark.parametrize("at", ["CompleteMultipartUpload:1:after", "PutObject:2", "UpdateItem:3", "SendMessage:1"])
def test_ingest_may_be_killed_before_its_job_waits_and_before_it_is_announced(at: str, lake: Lake) -> None:
    event = lake.upload(0, 2)
    with lake.there.functions(at) as call:
        try:
            call("ingest", event)
        except KilledError:
            lake.change("job#", lease_until=0)
    with lake.there.functions() as call:
        call("ingest", event)
        call("commit", lake.waiting())
    assert (lake.ids(), lake.states()) == ([0, 1], ["succeeded"])


# Large jobs.


def planned(lake: Lake, call: Functions, rows: int = 400) -> dict[str, Any]:
    """Hand a large job over. Return the input of its steps."""
    (job,) = call("ingest", lake.upload(0, rows))["jobs"]
    assert job["state"] == "executing"
    (execution,) = lake.there.started()
    found: dict[str, Any] = json.loads(execution["input"])
    return {name: found[name] for name in ("job", "attempt")}


@pytest.mark.long
def test_a_large_job_is_one_commit(spans: Lake) -> None:
    with spans.there.functions() as call:
        job = planned(spans, call)
        assert run(spans.there, call, job) == "done"
    assert spans.ids() == list(range(400))
    assert (spans.snapshots(), spans.states()) == (1, ["succeeded"])
    assert spans.data_files() > 1


@pytest.mark.long
def test_the_spans_of_a_large_job_add_and_widen_columns(spans: Lake) -> None:
    spans.made_narrow()
    lines = [LINE.format(id=number, price=1.5, rate=0.5, more="") for number in range(200)]
    lines[60] = LINE.format(id=2**40, price=1.5, rate=0.5, more=', "x": "new"') + OTHER
    lines[150] = LINE.format(id=150, price=12345.67, rate="1e300", more="")
    with spans.there.functions() as call:
        call("ingest", spans.upload_text("".join(lines), "in/all.jsonl"))
        (execution,) = spans.there.started()
        found = json.loads(execution["input"])
        assert run(spans.there, call, {name: found[name] for name in ("job", "attempt")}) == "done"
    assert (spans.fields(), spans.snapshots()) == (WIDE, 1)
    rows = spans.table.scan().to_arrow().to_pylist()
    assert sorted(row["id"] for row in rows) == [*range(60), *range(61, 200), 2**40]
    assert {row["x"] for row in rows if row["id"] == 2**40} == {"new"}
    assert {(row["price"], row["rate"]) for row in rows if row["id"] == 150} == {(Decimal("12345.67"), 1e300)}


@pytest.mark.parametrize(
    "at", ["UpdateTable:1:after", long("UpdateTable:1"), long("UpdateItem:3:after"), long("UpdateItem:4")]
)
def test_finish_may_be_killed_and_is_called_again(at: str, spans: Lake) -> None:
    with spans.there.functions() as call:
        job = planned(spans, call)
    with spans.there.functions(at) as call, pytest.raises(KilledError):
        # Only finish commits. Its first writes to the record are those of its phases.
        run(spans.there, call, job)
    with spans.there.functions() as call:
        assert run(spans.there, call, job) == "done"
    assert (spans.ids(), spans.snapshots(), spans.states()) == (list(range(400)), 1, ["succeeded"])


ERROR = {"Error": "States.Timeout", "Cause": ""}


@pytest.mark.long
def test_abort_finds_that_the_commit_of_a_killed_finish_is_in(spans: Lake) -> None:
    with spans.there.functions() as call:
        job = planned(spans, call)
    with spans.there.functions("UpdateTable:1:after") as call, pytest.raises(KilledError):
        run(spans.there, call, job)
    with spans.there.functions() as call:
        assert call("abort", job | {"error": ERROR})["state"] == "succeeded"
    assert (len(spans.ids()), spans.states()) == (400, ["succeeded"])


def test_abort_waits_until_no_request_can_go_in_and_then_deletes_the_files(spans: Lake) -> None:
    with spans.there.functions() as call:
        job = planned(spans, call)
    with spans.there.functions("UpdateTable:1") as call, pytest.raises(KilledError):
        run(spans.there, call, job)
    with spans.there.functions() as call:
        assert call("abort", job | {"error": ERROR})["state"] == "executing"
        assert spans.data_files() > 0
        spans.change("job#", commit_requested=1)
        assert call("abort", job | {"error": ERROR})["state"] == "failed"
    assert (spans.data_files(), spans.snapshots(), spans.states()) == (0, 0, ["failed"])
    [job_record] = [item for item in spans.there.items("jobs") if item["pk"]["S"].startswith("job#")]
    assert f"; nothing of it is in {spans.database}.orders" in str(job_record)


@pytest.mark.long
def test_nothing_is_deleted_while_nobody_knows_whether_the_commit_is_in(spans: Lake) -> None:
    with spans.there.functions() as call:
        job = planned(spans, call)
    with spans.there.functions("UpdateTable:1:after") as call, pytest.raises(KilledError):
        run(spans.there, call, job)
    spans.there.account.client("glue").delete_table(DatabaseName=spans.database, Name="orders")
    files = spans.data_files()
    with spans.there.functions() as call:
        assert call("abort", job | {"error": ERROR})["state"] == "in_doubt"
    assert (spans.data_files(), spans.states()) == (files, ["in_doubt"])
