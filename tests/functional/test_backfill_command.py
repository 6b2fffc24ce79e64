"""`penstock backfill` on an emulated stack: what it shows, sends, keeps and refuses."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from moto import mock_aws
from moto.server import ThreadedMotoServer

from deployed_jobs import DeployedJobs
from functional.terminal import terminal
from functional.test_backfill_origins import COLUMNS, Inventory, csv_file, row
from penstock.aws.queue import SqsNotifications
from penstock.files.state_file import hold_state
from penstock.jobs.events import read_event
from penstock.model.job import Claim, Job, Receipt
from penstock.model.job_status import JobState
from penstock.model.object import Source
from penstock.routes import destination_of, parse_routes
from penstock.wiring.routes import packaged_routes
from penstock_cli.main import main

pytestmark = pytest.mark.xdist_group("deployed-jobs")  # for one process to import moto's CloudFormation, for seconds
NAMES = ("source_bucket", "destination_bucket", "work_bucket", "records_table")
COMMAND = shutil.which("penstock", path=str(Path(sys.executable).parent)) or "penstock"


class Deployed(DeployedJobs):
    """A stack with the packaged routes, and a bucket that it may read."""

    def __init__(self, endpoint: str | None = None) -> None:
        super().__init__(endpoint)
        self.s3 = self.client("s3")
        for bucket in ("drops", "inventories"):
            self.s3.create_bucket(Bucket=bucket)
        self.routes = parse_routes(packaged_routes().read_text(), "routes.toml", {name: name for name in NAMES})

    def put(self, *keys: str, data: bytes = b"data", **more: Any) -> list[Source]:
        return [self._put(key, data, more) for key in keys]

    def _put(self, key: str, data: bytes, more: Any) -> Source:
        put = self.s3.put_object(Bucket="drops", Key=key, Body=data, **more)
        return Source("drops", key, len(data), put["ETag"].strip('"'), put.get("VersionId", ""), sequencer="0A01")

    def do(self, source: Source, state: JobState = JobState.SUCCEEDED) -> None:
        """End the job of an event."""
        route = self.routes.route_of(source)
        assert route
        claim = self.jobs.claim(Job(source, route, destination_of(route, source)), lease=60)
        assert isinstance(claim, Claim)
        self.jobs.close(claim, state, receipt=Receipt(1, 1, 0, 0, "identity"))

    def sent(self) -> list[Source]:
        """Take the messages from the queue."""
        sqs, url, found = self.client("sqs"), self.names["QueueUrl"], []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                found += [source for read in read_event(json.loads(message["Body"])) for source in read.sources]
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found

    def keys(self) -> list[str]:
        return sorted(source.key for source in self.sent())


@pytest.fixture
def deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployed]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    with mock_aws():
        yield Deployed()


def run(*arguments: str, code: int = 0, **more: Any) -> Result:
    result = CliRunner(mix_stderr=False).invoke(main, ["backfill", *arguments], **more)
    assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
    return result


def answer(*arguments: str, **more: Any) -> Any:
    return json.loads(run(*arguments, "--yes", "--json", **more).stdout)


def states(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "data").rglob("*.json"))


def test_a_dry_run_shows_count_time_and_cost_and_sends_nothing(deployed: Deployed, tmp_path: Path) -> None:
    deployed.put("a.csv", "b.csv", "c.csv.gz", "none")
    deployed.put("cold.csv", StorageClass="DEEP_ARCHIVE")
    lines = run("s3://drops", "--dry-run").stdout.splitlines()
    assert [line.split()[:3] for line in lines[:3]] == [
        ["route", "jobs", "size"],
        ["copy", "2", "8"],
        ["decompress", "1", "4"],
    ]
    assert lines[3].startswith("3 objects, 12 B: about ")
    assert "at 100 objects a second at most, $0.0001 (prices of us-east-1, " in lines[3]
    assert lines[4:6] == ["no route: 1", "archived: 1 in DEEP_ARCHIVE: restore them, then name them with --from FILE"]
    assert lines[6].startswith("listing: 2 requests in two passes, $0.0000; pauses while more than ")
    assert deployed.sent() == []
    assert states(tmp_path) == []


def test_the_forecast_for_programs(deployed: Deployed) -> None:
    deployed.put("a.csv", "none")
    forecast = answer("s3://drops", "--dry-run")["forecast"]
    assert (forecast["jobs"], forecast["bytes"], forecast["requests"]) == (1, 4, 2)
    assert forecast["routes"]["copy"]["jobs"] == 1
    assert forecast["skipped"] == {"not_selected": 0, "no_route": 1, "moved": 0, "missing": 0, "archived": {}}


def test_objects_are_sent_and_counted(deployed: Deployed, tmp_path: Path) -> None:
    deployed.put("in/a.csv", "in/b c+é.csv", "in/none", "out/a.csv")
    result = run("s3://drops/in/", "--yes")
    assert result.stdout.splitlines()[0] == "sent: 2, already done: 0, no route: 1, failed: 0"
    assert "penstock jobs --since" in result.stdout
    sources = deployed.sent()
    assert sorted(source.key for source in sources) == ["in/a.csv", "in/b c+é.csv"]
    assert {(source.listed, source.sequencer) for source in sources} == {(True, "")}
    assert states(tmp_path) == []


@pytest.mark.parametrize("versioned", [True, False], ids=["versions", "none"])
def test_what_is_done_is_not_sent(deployed: Deployed, versioned: bool) -> None:
    if versioned:
        deployed.s3.put_bucket_versioning(Bucket="drops", VersioningConfiguration={"Status": "Enabled"})
    done, failed, running, _ = deployed.put("done.csv", "failed.csv", "running.csv", "new.csv")
    deployed.do(done)
    deployed.do(failed, JobState.FAILED)
    route = deployed.routes.route_of(running)
    assert route
    deployed.jobs.claim(Job(running, route, destination_of(route, running)), lease=60)
    result = answer("s3://drops")
    assert (result["sent"], result["done"], result["failed"]) == (1, 2, 1)
    assert deployed.keys() == ["new.csv"]
    assert "penstock redrive" in run("s3://drops", "--yes").stdout
    deployed.sent()
    # A replacement of other bytes is another object.
    deployed.put("done.csv", data=b"other")
    answer("s3://drops")
    assert deployed.keys() == ["done.csv", "new.csv"]


def test_again_sends_what_is_done_as_new_jobs(deployed: Deployed) -> None:
    (done,) = deployed.put("done.csv")
    deployed.do(done)
    for _ in range(2):
        assert answer("s3://drops", "--again")["sent"] == 1
    marks = {source.again for source in deployed.sent()}
    assert len(marks) == 2
    assert "" not in marks
    assert "done already" in run("s3://drops", "--dry-run").stdout
    assert "done already" not in run("s3://drops", "--again", "--dry-run").stdout


def test_routes_patterns_and_times_choose(deployed: Deployed) -> None:
    deployed.put("a.csv", "b.csv", "c.csv.gz")
    result = answer("s3://drops", "--route", "copy", "--match", "b*", "--match", "c*", "--since", "1d")
    assert (result["sent"], result["skipped"]["not_selected"]) == (1, 2)
    assert deployed.keys() == ["b.csv"]
    assert answer("s3://drops", "--until", "2020-01-01")["sent"] == 0
    assert "there is no route 'no'" in run("s3://drops", "--route", "no", "--yes", code=1).stderr


def test_an_inventory_is_an_origin(deployed: Deployed) -> None:
    uri = Inventory(deployed.s3).write(csv_file([row("in/a b.csv"), row("out/b.csv")], COLUMNS))
    assert answer("--inventory", uri)["sent"] == 2
    assert {(source.key, source.version_id) for source in deployed.sent()} == {
        ("in/a b.csv", "v-in/a b.csv"),
        ("out/b.csv", "v-out/b.csv"),
    }
    assert answer("s3://drops/in/", "--inventory", uri)["sent"] == 1


def test_a_file_and_standard_input_are_origins(deployed: Deployed, tmp_path: Path) -> None:
    deployed.put("a.csv", "b.csv")
    text = "s3://drops/a.csv\ns3://drops/gone.csv\ns3://drops/b.csv\n"
    file = tmp_path / "uris"
    file.write_text(text)
    for arguments, given in (([str(file)], None), (["-"], text)):
        result = answer("--from", *arguments, input=given)
        assert (result["sent"], result["skipped"]["missing"]) == (2, 1)
        assert deployed.keys() == ["a.csv", "b.csv"]


@pytest.mark.parametrize(
    "arguments",
    [(), ("s3://drops", "--from", "x"), ("--inventory", "x", "--from", "x"), ("--since", "never", "s3://drops")],
)
def test_contradictions_are_refused(deployed: Deployed, arguments: tuple[str, ...]) -> None:
    run(*arguments, "--yes", code=2)


def test_without_a_terminal_it_must_be_told_to_send(deployed: Deployed) -> None:
    assert "give --yes or --dry-run" in run("s3://drops", code=2).stderr


class TestInterrupted:
    @pytest.fixture
    def interrupted(self, deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """Ctrl-C comes after the first ten messages."""
        keys = [f"{number:03}.csv" for number in range(130)]
        deployed.put(*keys)
        send_all, calls = SqsNotifications.send_all, iter(range(1000))

        def send(self: SqsNotifications, bodies: list[str]) -> None:
            if next(calls) == 1:
                raise KeyboardInterrupt
            send_all(self, bodies)

        monkeypatch.setattr(SqsNotifications, "send_all", send)
        run("s3://drops", "--yes", "--rate", "1000", code=130)
        return keys

    def test_it_goes_on_where_it_stopped(self, deployed: Deployed, tmp_path: Path, interrupted: list[str]) -> None:
        first = deployed.keys()
        assert first == interrupted[:100]
        (state,) = states(tmp_path)
        assert oct(state.stat().st_mode)[-3:] == "600"
        result = run("s3://drops", "--yes", "--rate", "10000")
        assert result.stderr.splitlines()[0] == "Resuming: 100 of 130 objects are behind."
        assert result.stdout.startswith("sent: 130, already done: 0,")
        assert deployed.keys() == interrupted[100:]
        assert states(tmp_path) == []

    @pytest.mark.long
    def test_other_options_are_another_backfill(self, deployed: Deployed, interrupted: list[str]) -> None:
        deployed.sent()
        assert answer("s3://drops", "--match", "*", "--rate", "10000")["sent"] == 130

    @pytest.mark.long
    def test_it_may_begin_again(self, deployed: Deployed, interrupted: list[str]) -> None:
        deployed.sent()
        assert answer("s3://drops", "--restart", "--rate", "10000")["sent"] == 130

    @pytest.mark.long
    def test_a_damaged_state_says_what_to_do(self, deployed: Deployed, tmp_path: Path, interrupted: list[str]) -> None:
        (state,) = states(tmp_path)
        state.write_text("{")
        refused = run("s3://drops", "--yes", code=1)
        assert str(state) in refused.stderr
        assert "--restart" in refused.stderr

    @pytest.mark.long
    def test_the_state_of_another_backfill_is_refused(
        self, deployed: Deployed, tmp_path: Path, interrupted: list[str]
    ) -> None:
        (state,) = states(tmp_path)
        refused = run("s3://drops/other/", "--state", str(state), "--yes", code=1)
        assert "other options" in refused.stderr


def test_the_same_backfill_does_not_run_twice_at_once(deployed: Deployed, tmp_path: Path) -> None:
    deployed.put("a.csv")
    state = tmp_path / "state"
    with hold_state(state, "another"):
        refused = run("s3://drops", "--state", str(state), "--yes", code=1)
    assert "the same backfill is already being sent by another process" in refused.stderr


def test_entries_that_sqs_could_not_take_are_sent_again(deployed: Deployed) -> None:
    class Busy:
        """Takes one entry of each request."""

        def __init__(self, client: Any) -> None:
            self.client = client

        def send_message_batch(self, QueueUrl: str, Entries: list[Any]) -> Any:  # noqa: N803  # boto3's names
            taken = self.client.send_message_batch(QueueUrl=QueueUrl, Entries=Entries[:1])
            failed = [{"Id": entry["Id"], "Code": "InternalError", "SenderFault": False} for entry in Entries[1:]]
            return {**taken, "Failed": failed}

    client = deployed.client("sqs")
    queue = SqsNotifications(Busy(client), deployed.names["QueueUrl"], sleep=lambda _: None)  # type: ignore[arg-type]
    queue.send_all(["1", "2", "3"])
    received = [client.receive_message(QueueUrl=deployed.names["QueueUrl"])["Messages"][0]["Body"] for _ in range(3)]
    assert sorted(received) == ["1", "2", "3"]


@pytest.mark.parametrize(("key", "code", "sent"), [(b"y\r", 0, 3), (b"\r", 1, 0)], ids=["yes", "no"])
@pytest.mark.long
def test_a_terminal_asks_after_the_forecast(tmp_path: Path, key: bytes, code: int, sent: int) -> None:
    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        deployed = Deployed(f"http://{host}:{port}")
        deployed.put("a.csv", "b.csv", "c.csv")
        environment = {**os.environ, "AWS_ENDPOINT_URL": f"http://{host}:{port}", "XDG_DATA_HOME": str(tmp_path)}
        with terminal([COMMAND, "backfill", "s3://drops"], environment, columns=100) as running:
            running.wait_for(r"Send 3 objects\? \[y/N\]")
            running.press(key)
            assert running.wait() == code
        assert len(deployed.sent()) == sent
        assert ("sent: 3" in running.text) is bool(sent)
    finally:
        requests_reset(server)


def requests_reset(server: ThreadedMotoServer) -> None:
    import requests

    host, port = server.get_host_and_port()
    requests.post(f"http://{host}:{port}/moto-api/reset", timeout=10).raise_for_status()
    server.stop()
