"""Jobs that the release before began, and that today's code finishes: right, nothing done twice, nothing left over.

The samples are what that release left: see ``tests/fixtures/previous_release/capture.py``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from penstock.aws.jobs_table.attributes import plain
from penstock.aws.jobs_table.items import status_of
from penstock.jobs.announce.announcement import announcement_of
from penstock_local.account import Account, emulator_only
from postgres_database import Database
from release_backend import LAKE, WORK, Deployment, Functions, run
from release_samples import dump_database, load, source_text

pytest_plugins = ["postgres_fixtures"]
pytestmark = pytest.mark.xdist_group("previous-release")

SAMPLES = Path(__file__).parents[1] / "fixtures" / "previous_release"

Sample = dict[str, Any]
Load = Callable[[str], AbstractContextManager[tuple[Deployment, Functions, Sample]]]
Row = tuple[Any, ...]


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with emulator_only() as account:
        yield account


@contextmanager
def found(account: Account, name: str, dsn: str = "") -> Iterator[tuple[Deployment, Functions, Sample]]:
    """What a sample says, as the functions of today find it."""
    with load(account, (SAMPLES / f"{name}.json").read_text(), dsn) as (there, sample), there.functions() as call:
        yield there, call, sample


@pytest.fixture
def loaded(account: Account) -> Load:
    return lambda name: found(account, name)


@pytest.fixture
def with_tables(account: Account, database: Database) -> Load:
    return lambda name: found(account, name, database.dsn)


def state_of(there: Deployment) -> list[str]:
    """Of all jobs."""
    return [item["state"]["S"] for item in there.items("jobs") if item["pk"]["S"].startswith("job#")]


def told(there: Deployment) -> list[str]:
    """What `announce` tells of the jobs on record."""
    items = [item for item in there.items("jobs") if item["pk"]["S"].startswith("job#")]
    return [announcement_of(status_of(item["pk"]["S"], plain(item))).kind for item in items]


def check_success(there: Deployment) -> None:
    assert state_of(there) == ["succeeded"]
    assert there.open_uploads() == []
    assert told(there) == ["Penstock Job Succeeded"]


def check_object(there: Deployment, sample: Sample) -> None:
    (key,) = there.keys(LAKE)
    assert there.read(LAKE, key) == source_text(there, sample["source"])


# Into a bucket.


def test_spans_that_are_left_go_into_the_upload_that_was_open(loaded: Load) -> None:
    with loaded("gzip_spans") as (there, call, sample):
        assert run(there, call, sample["job"]) == "done"
        assert sorted(request["PartNumber"] for request in call.sent("UploadPart")) == [2, 4, 5]
        assert (call.sent("CreateMultipartUpload"), len(call.sent("CompleteMultipartUpload"))) == ([], 1)
        check_success(there)
        check_object(there, sample)


@pytest.mark.long
def test_a_job_that_is_aborted_leaves_nothing(loaded: Load) -> None:
    with loaded("gzip_spans") as (there, call, sample):
        assert call("abort", {**sample["job"], "error": {"Error": "States.Timeout", "Cause": ""}})["state"] == "failed"
        assert (there.open_uploads(), there.keys(LAKE), state_of(there)) == ([], [], ["failed"])
        assert told(there) == ["Penstock Job Failed"]


@pytest.mark.long
def test_an_object_that_was_published_is_not_published_again(loaded: Load) -> None:
    with loaded("gzip_finish") as (there, call, sample):
        assert call("finish", {**sample["job"], "round": 0})["next"] == "done"
        assert call.sent("CompleteMultipartUpload") == call.sent("UploadPart") == []
        check_success(there)
        check_object(there, sample)


@pytest.mark.long
def test_an_index_pass_goes_on_from_its_checkpoint(loaded: Load) -> None:
    with loaded("index_checkpoint") as (there, call, sample):
        (state_key,) = [key for key in there.keys(WORK) if key.endswith("/state.json")]
        before = json.loads(there.read(WORK, state_key) or b"")["segments"]
        assert run(there, call, sample["job"]) == "done"
        after = json.loads(there.read(WORK, state_key) or b"")
        assert (after["done"], after["segments"][: len(before)]) == (True, before)
        written = [request["Key"] for request in call.sent("PutObject")]
        assert not any(key.endswith(segment) for key in written for segment in before)
        check_success(there)
        check_object(there, sample)


@pytest.mark.parametrize(("name", "writes"), [("small_killed", 1), ("small_published", 0)])
def test_a_small_object_whose_lease_is_over_is_delivered_once(name: str, writes: int, loaded: Load) -> None:
    with loaded(name) as (there, call, sample):
        (done,) = call("ingest", sample["event"])["jobs"]
        assert (done["state"], done["repeat"]) == ("succeeded", False)
        assert len([request for request in call.sent("PutObject") if request["Bucket"] == LAKE]) == writes
        check_success(there)
        check_object(there, sample)
        (done,) = call("ingest", sample["event"])["jobs"]
        assert done["repeat"]


@pytest.mark.long
def test_an_older_version_that_waits_is_superseded_once_the_newer_one_is_delivered(loaded: Load) -> None:
    with loaded("yielding") as (there, call, sample):
        assert run(there, call, sample["job"]) == "done"
        (older,) = call("ingest", sample["event"])["jobs"]
        assert older["state"] == "superseded"
        assert sorted(state_of(there)) == ["succeeded", "superseded"]
        check_object(there, sample)


# Into PostgreSQL.


def rows(there: Deployment) -> list[Row]:
    return there.execute("SELECT id, name FROM people ORDER BY id")


def named(ids: list[int]) -> list[Row]:
    return [(number, f"name {number}") for number in ids]


def staging_tables(there: Deployment) -> list[Row]:
    return there.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE 'penstock_staging%'")


def rejected_rows(there: Deployment) -> list[int]:
    """As the reject log says."""
    files = [there.read(WORK, key) or b"" for key in there.keys(WORK) if "/rejects/" in key]
    return sorted(json.loads(line)["row"] for file in files for line in file.splitlines())


def test_a_load_in_spans_goes_on_behind_every_chunk_that_is_in(with_tables: Load) -> None:
    with with_tables("postgres_spans") as (there, call, sample):
        before = len(rows(there))
        chunks = "SELECT span, chunk, end_offset, next_row, rows, rejects FROM penstock_ledger WHERE span > 0"
        entered = there.execute(chunks)
        assert 300 < before < 900
        assert run(there, call, sample["job"]) == "done"
        assert rows(there) == named([row for row in range(1_200) if row not in (7, 900)])
        assert set(entered) <= set(there.execute(chunks))
        assert rejected_rows(there) == [8, 901]
        check_success(there)


@pytest.mark.long
def test_pieces_of_a_survey_that_are_counted_are_taken_as_they_are(with_tables: Load) -> None:
    with with_tables("postgres_survey") as (there, call, sample):
        assert run(there, call, sample["job"]) == "done"
        assert rows(there) == [*named(list(range(200))), (1000, "old")]
        check_success(there)


@pytest.mark.parametrize(("name", "old"), [("postgres_replace", []), ("postgres_atomic", [(1000, "old")])])
@pytest.mark.long
def test_rows_that_are_staged_become_visible_with_the_others(name: str, old: list[Row], with_tables: Load) -> None:
    with with_tables(name) as (there, call, sample):
        assert rows(there) == [(1000, "old")]
        assert len(staging_tables(there)) == 1
        assert run(there, call, sample["job"]) == "done"
        assert rows(there) == [*named([row for row in range(200) if row not in (7, 150)]), *old]
        assert staging_tables(there) == []
        assert rejected_rows(there) == [8, 151]
        check_success(there)


@pytest.mark.long
@pytest.mark.parametrize("name", ["postgres_replace", "postgres_atomic"])
def test_a_staged_load_that_is_aborted_leaves_the_table_as_it_was(name: str, with_tables: Load) -> None:
    with with_tables(name) as (there, call, sample):
        call("abort", {**sample["job"], "error": {"Error": "States.Timeout", "Cause": ""}})
        assert (rows(there), staging_tables(there), state_of(there)) == ([(1000, "old")], [], ["failed"])


@pytest.mark.long
def test_a_job_that_waits_for_its_database_is_done_when_its_message_comes_back(with_tables: Load) -> None:
    with with_tables("waiting") as (there, call, sample):
        assert state_of(there) == ["waiting"]
        (done,) = call("ingest", sample["event"])["jobs"]
        assert (done["state"], done["rows"], done["rejects"]) == ("succeeded", 19, 1)
        assert rows(there) == named([row for row in range(20) if row != 3])
        check_success(there)


@pytest.mark.long
def test_a_load_that_is_in_is_not_done_again(with_tables: Load) -> None:
    with with_tables("postgres_inferred") as (there, call, sample):
        ledger = there.execute("SELECT * FROM penstock_ledger ORDER BY job, span, chunk")
        (done,) = call("ingest", sample["event"])["jobs"]
        assert (done["state"], done["rows"]) == ("succeeded", 30)
        assert rows(there) == named(list(range(30)))
        assert there.execute("SELECT * FROM penstock_ledger ORDER BY job, span, chunk") == ledger
        check_success(there)


@pytest.mark.long
def test_columns_that_were_inferred_keep_their_spellings(with_tables: Load) -> None:
    """As their comments say: what does not look like the dates of the first file is a reject."""
    with with_tables("postgres_inferred") as (there, call, _):
        there.put("drops", "more.csv", b"id,name,born\n30,name 30,2001-01-02\n31,name 31,02.01.2001\n")
        with pytest.raises(Exception, match="TooManyRejectsError"):
            raise_failure(call("ingest", there.event("more.csv")))


@pytest.mark.long
def test_ledger_and_inferred_columns_are_made_as_they_were(with_tables: Load, database: Database) -> None:
    with with_tables("postgres_inferred") as (there, call, sample):
        there.execute("DROP TABLE people, penstock_ledger")
        there.put("drops", "again.csv", there.read("drops", sample["source"]) or b"")
        call("ingest", there.event("again.csv"))
        made = [line for line in dump_database(database.dsn)["make"] if "penstock_loads" not in line]
        assert made == sample["database"]["make"]


def raise_failure(answer: Any) -> None:
    (done,) = answer["jobs"]
    raise RuntimeError(f"{done['state']}: {done.get('error')}")


# Into DynamoDB.


@pytest.mark.long
def test_a_load_into_dynamodb_goes_on_from_its_bookmark(loaded: Load) -> None:
    with loaded("dynamodb_bookmark") as (there, call, sample):
        before = len(there.items("records"))
        (bookmark,) = [item for item in there.items("jobs") if item["pk"]["S"].startswith("load#")]
        (done,) = call("ingest", sample["event"])["jobs"]
        assert (done["state"], done["rows"]) == ("succeeded", 400)
        assert {item["id"]["S"] for item in there.items("records")} == {str(row) for row in range(400)}
        written = 25 * len(call.sent("BatchWriteItem"))
        assert before > int(bookmark["rows"]["N"]) > 0
        assert written < 400 - int(bookmark["rows"]["N"]) + 25 * 5
        check_success(there)


# The reconciler.


def reconciled(there: Deployment) -> list[Any]:
    """The events that it sends for jobs that nobody works on, as a queue delivers them."""
    queues = there.account.client("sqs")
    urls = {name: queues.create_queue(QueueName=name)["QueueUrl"] for name in ("events", "dead")}
    more = {
        "PENSTOCK_QUEUE_URL": urls["events"],
        "PENSTOCK_DEAD_LETTER_QUEUE_URL": urls["dead"],
        "PENSTOCK_ABORT_FUNCTION": "abort",
    }
    with replace(there, settings={**there.settings, **more}).functions() as call:
        call("reconcile", {})
    messages = queues.receive_message(QueueUrl=urls["events"], MaxNumberOfMessages=10).get("Messages", ())
    return [
        {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": {"ApproximateReceiveCount": "1"},
            "eventSource": "aws:sqs",
        }
        for message in messages
    ]


@pytest.mark.long
def test_a_job_whose_lease_is_over_is_found_by_the_reconciler(loaded: Load) -> None:
    with loaded("small_killed") as (there, call, sample):
        records = reconciled(there)
        assert (len(records), state_of(there)) == (1, ["waiting"])
        assert call("ingest", {"Records": records}) == {"batchItemFailures": []}
        check_success(there)
        check_object(there, sample)


# What a person began.


@pytest.mark.long
def test_an_upload_goes_on_behind_the_parts_that_were_sent(tmp_path: Path, loaded: Load) -> None:
    with loaded("upload") as (there, _, sample):
        file = tmp_path / "data.txt"
        content = source_text(there, sample["source"])
        file.write_bytes(content)
        text = sample["state"].replace("{FOLDER}", str(tmp_path)).replace("{ENDPOINT}", there.account.endpoint)
        state = json.loads(text)
        os.utime(file, ns=(state["identity"]["mtime_ns"],) * 2)
        names = json.dumps([str(file), there.account.endpoint, "s3://lake/up/data.txt"])
        kept = tmp_path / sample["state_folder"] / f"{sha256(names.encode()).hexdigest()[:32]}.json"
        kept.parent.mkdir(parents=True)
        kept.write_text(text)
        with replace(there, settings={"XDG_DATA_HOME": str(tmp_path)}).functions() as call:
            call("command", arguments=[*sample["command"], str(file), "s3://lake/up/data.txt"])
            assert [request["PartNumber"] for request in call.sent("UploadPart")] == [3, 4]
            assert call.sent("CreateMultipartUpload") == []
        assert there.read(LAKE, "up/data.txt") == content
        assert (there.open_uploads(), kept.exists()) == ([], False)


@pytest.mark.long
def test_a_run_into_a_table_goes_on_behind_the_chunks_that_are_in(
    with_tables: Load, database: Database, tmp_path: Path
) -> None:
    with with_tables("run_table") as (there, call, sample):
        rejects = tmp_path / "rejects.jsonl"
        rejects.write_text(sample["rejects"])
        entered = there.execute("SELECT job, chunk, end_offset, rows FROM penstock_ledger")
        more = ["--dsn", database.dsn, "--rejects", str(rejects)]
        for _ in range(2):
            for key in (sample["source"], "first.csv"):
                call("command", arguments=[*sample["command"], f"s3://drops/{key}", *more])
            assert rows(there) == [*named([row for row in range(600) if row != 7]), (5000, "another")]
            assert [json.loads(line)["row"] for line in rejects.read_text().splitlines()] == [8]
        assert set(entered) <= set(there.execute("SELECT job, chunk, end_offset, rows FROM penstock_ledger"))
