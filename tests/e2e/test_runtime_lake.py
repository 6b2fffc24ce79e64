"""Routes to a lake through the real handlers in the real runtime client, each function under a real cap of memory."""

from __future__ import annotations

import gzip
import io
import json
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from pyiceberg.catalog import load_catalog

from penstock_local.account import Account, emulator_only
from penstock_local.runtime import Invocation
from penstock_local.runtime.environment import DESTINATION, WORK, IngestEnvironment

MIB = 1024 * 1024
MOST = {128: 122, 256: 200}  # MiB of a function, by its MB
ROWS = 1_200_000  # 105 MB, in two spans
COLUMNS = """
columns = [
    { name = "id", type = "integer", nullable = false },
    { name = "city" },
    { name = "started", type = "timestamp" },
    { name = "distance", type = "numeric(12,2)" },
    { name = "paid", type = "boolean" },
    { name = "note" },
]
"""
ROUTES = f"""
[[route]]
name = "files"
match = "files/*"
destination = "parquet:s3://{{destination_bucket}}/files/"
[route.table]
{COLUMNS}
[[route]]
name = "partitions"
match = "partitions/*"
destination = "parquet:s3://{{destination_bucket}}/partitions/"
[route.table]
partition_by = ["city"]
{COLUMNS}
[[route]]
name = "tables"
match = "tables/*"
destination = "iceberg:lake.trips"
[route.table]
create = true
{COLUMNS}"""
ROUTES += """
[[route]]
name = "wide"
match = "wide/*"
destination = "parquet:s3://{destination_bucket}/wide/"
[route.table]
"""
NO_OP = {"StartAt": "Nothing", "States": {"Nothing": {"Type": "Succeed"}}}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def csv() -> bytes:
    lines = ["id,city,started,distance,paid,note"]
    for n in range(ROWS):
        started = (BEGIN + timedelta(seconds=n)).strftime("%Y-%m-%dT%H:%M:%SZ")
        lines.append(
            f"{n},City {n % 97},{started},{n % 1000}.{n % 100:02d},{'true' if n % 3 else 'false'},{n * 7919:032x} noted"
        )
    return ("\n".join(lines) + "\n").encode()


@pytest.fixture
def account() -> Iterator[Account]:
    with emulator_only() as account:
        yield account


class Lake:
    """The functions of a stack with a Glue catalog, each as large as ``memory``."""

    def __init__(self, account: Account, memory: int, *, handover: bool = True) -> None:
        self.account = account
        self.memory = memory
        self.peaks: dict[str, int] = {}
        self.environment = IngestEnvironment(account)
        self.environment.s3.put_object(Bucket=WORK, Key="config/routes.toml", Body=ROUTES.encode())
        account.client("glue").create_database(DatabaseInput={"Name": "lake"})
        role = account.client("iam").create_role(RoleName="jobs", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]
        self._machine = account.client("stepfunctions").create_state_machine(
            name="jobs", definition=json.dumps(NO_OP), roleArn=role["Arn"]
        )["stateMachineArn"]
        self._env: Mapping[str, str] = {
            "PENSTOCK_ROUTES_URI": f"s3://{WORK}/config/routes.toml",
            "PENSTOCK_ICEBERG_CATALOG": "glue",
            "PENSTOCK_ICEBERG_WAREHOUSE": f"s3://{DESTINATION}/warehouse",
            "PENSTOCK_COMMIT_QUEUE_URL": account.client("sqs").create_queue(QueueName="commit")["QueueUrl"],
            "PENSTOCK_STATE_MACHINE": self._machine if handover else "",
            "PENSTOCK_LARGE_BYTES": str(8 * MIB),
            "PENSTOCK_SPAN_BYTES": str(64 * MIB),
        }

    def call(self, verb: str, *events: object) -> Any:
        """Send events to a function, which is cold for the first of them. Return its last result."""
        with self.environment.function(verb, memory=self.memory, vcpus=1.0, env=self._env) as function:
            for event in events:
                done = function.invoke(event)
                assert done.ok, f"{verb}: {done.error_type}: {done.error_message}\n{done.log}"
                self._note(verb, done)
        return done.payload

    def ingest(self, key: str, body: bytes) -> Mapping[str, Any]:
        (job,) = self.call("ingest", self.environment.upload(key, body).event())["jobs"]
        return dict(job)

    def commit(self) -> None:
        """Give the messages of the queue to the function `commit`."""
        sqs, url = self.account.client("sqs"), self._env["PENSTOCK_COMMIT_QUEUE_URL"]
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
        records = [
            {
                "messageId": one["MessageId"],
                "receiptHandle": one["ReceiptHandle"],
                "body": one["Body"],
                "attributes": {"ApproximateReceiveCount": "1"},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:commit",
            }
            for one in messages
        ]
        assert self.call("commit", {"Records": records}) == {"batchItemFailures": []}

    def run(self, key: str, body: bytes) -> int:
        """Do what the state machine does for a large file. Return the number of its spans."""
        assert self.ingest(key, body)["state"] == "executing"
        machine = self.account.client("stepfunctions")
        (execution,) = machine.list_executions(stateMachineArn=self._machine)["executions"]
        job = json.loads(machine.describe_execution(executionArn=execution["executionArn"])["input"])
        planned = self.call("plan", job)
        if planned["next"] == "survey":
            for piece in self._lines(planned["manifest"]):
                self.call("index", {**job, "piece": piece})
            planned = self.call("plan", job)
        elif planned["next"] == "index":
            while not self.call("index", job)["done"]:
                pass
            planned = self.call("plan", job)
        spans = self._lines(planned["manifest"])
        events = [{**job, "span": span, "round": planned["round"]} for span in spans]
        assert self.call("work", *events) == {"done": True}
        assert self.call("finish", {**job, "round": planned["round"]})["next"] == "done"
        return len(spans)

    def _lines(self, place: Mapping[str, str]) -> list[Any]:
        body = self.environment.s3.get_object(Bucket=place["bucket"], Key=place["key"])["Body"].read()
        return [json.loads(line) for line in body.splitlines()]

    def rows(self) -> list[tuple[int, Decimal]]:
        """The id and the distance of each row in the Iceberg table, as pyiceberg and pyarrow read them."""
        access = {"access-key-id": "test", "secret-access-key": "test", "endpoint": self.account.endpoint}
        options = {f"{kind}.{key}": value for kind in ("glue", "s3") for key, value in access.items()}
        catalog = load_catalog("glue", type="glue", **options, **{"glue.region": "us-east-1", "s3.region": "us-east-1"})
        table = catalog.load_table("lake.trips")
        assert len(table.snapshots()) == 1
        return _pairs(table.scan().to_arrow())

    def files(self, folder: str) -> list[tuple[int, Decimal]]:
        found = []
        for entry in self.environment.s3.list_objects_v2(Bucket=DESTINATION, Prefix=folder)["Contents"]:
            body = self.environment.s3.get_object(Bucket=DESTINATION, Key=entry["Key"])["Body"].read()
            found += _pairs(parquet.ParquetFile(io.BytesIO(body)).read())
        return sorted(found)

    def _note(self, verb: str, done: Invocation) -> None:
        self.peaks[verb] = max(self.peaks.get(verb, 0), done.peak_bytes or 0, done.rss_peak_bytes)

    def __str__(self) -> str:
        peaks = ", ".join(f"{verb} {peak / MIB:.0f}" for verb, peak in self.peaks.items())
        return f"functions of {self.memory} MB, peaks in MiB: {peaks}"


def _pairs(table: Any) -> list[tuple[int, Decimal]]:
    return sorted(zip(table["id"].to_pylist(), table["distance"].to_pylist(), strict=True))


def expected(rows: int) -> list[tuple[int, Decimal]]:
    return [(n, Decimal(f"{n % 1000}.{n % 100:02d}")) for n in range(rows)]


def check_peaks(lake: Lake, capsys: pytest.CaptureFixture[str], what: str) -> None:
    with capsys.disabled():
        sys.stdout.write(f"\n{what}: {lake}\n")
    assert max(lake.peaks.values()) < MOST[lake.memory] * MIB


def small(csv: bytes) -> bytes:
    """The first 50,000 rows, 4 MB."""
    return b"".join(csv.splitlines(keepends=True)[:50_001])


@pytest.mark.parametrize("folder", ["files", "partitions"])
@pytest.mark.long
def test_a_small_file_becomes_parquet_files(
    account: Account, csv: bytes, folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = Lake(account, 128)
    assert lake.ingest(f"{folder}/trips.csv", small(csv))["state"] == "succeeded"
    check_peaks(lake, capsys, folder)
    assert lake.files(folder) == expected(50_000)


@pytest.mark.parametrize("memory", [128, 256])
@pytest.mark.parametrize("folder", ["files", "partitions"])
@pytest.mark.long
def test_a_large_file_becomes_parquet_files(
    account: Account, csv: bytes, folder: str, memory: int, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = Lake(account, memory)
    assert lake.run(f"{folder}/trips.csv.gz", gzip.compress(csv, 1)) > 1
    check_peaks(lake, capsys, folder)
    assert lake.files(folder) == expected(ROWS)


@pytest.mark.long
def test_a_small_file_is_committed_to_a_table(account: Account, csv: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    lake = Lake(account, 128)
    assert lake.ingest("tables/trips.csv", small(csv))["state"] == "committing"
    lake.commit()
    check_peaks(lake, capsys, "a small file into a table")
    assert lake.rows() == expected(50_000)


@pytest.mark.parametrize("memory", [128, 256])
@pytest.mark.long
def test_a_large_file_is_committed_to_a_table(
    account: Account, csv: bytes, memory: int, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = Lake(account, memory)
    assert lake.run("tables/trips.csv.gz", gzip.compress(csv, 1)) > 1
    check_peaks(lake, capsys, "a large file into a table")
    assert lake.rows() == expected(ROWS)


def wide(columns: int, rows: int, compression: str) -> bytes:
    """A file of one row group, whose values are not repeated."""
    table = pa.table({f"c{n}": pa.array(range(n, n + rows)) for n in range(columns)})
    out = io.BytesIO()
    parquet.write_table(table, out, row_group_size=rows, compression=compression, use_dictionary=False)
    return out.getvalue()


@pytest.mark.parametrize(
    ("memory", "columns", "rows", "compression"),
    [(256, 300, 22_000, "snappy"), (256, 400, 2_000, "zstd"), (512, 600, 25_000, "snappy")],
)
@pytest.mark.long
def test_a_wide_row_group_that_fits_is_loaded(
    account: Account, memory: int, columns: int, rows: int, compression: str
) -> None:
    lake = Lake(account, memory, handover=False)
    job = lake.ingest("wide/a.parquet", wide(columns, rows, compression))
    assert (job["state"], job.get("rows")) == ("succeeded", rows), job


@pytest.mark.long
def test_a_wide_row_group_that_does_not_fit_is_refused_by_the_function_that_it_needs(account: Account) -> None:
    lake, body = Lake(account, 256, handover=False), wide(450, 20_000, "snappy")
    job = lake.ingest("wide/a.parquet", body)
    assert (job["state"], job["error"]) == ("failed", "BlockTooLargeError")
    needed = int(str(job["hint"]).partition("MemorySize to ")[2].split()[0])
    assert 256 < needed <= 400
    lake.memory = needed
    assert lake.ingest("wide/b.parquet", body)["state"] == "succeeded"
