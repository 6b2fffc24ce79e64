"""The commands for jobs on an emulated stack: what they print, refuse and change."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result
from moto import mock_aws

from deployed_jobs import FAILURE, ROUTE, STACK, DeployedJobs
from job_reports import HOSTILE
from penstock.aws.jobs_table.job_store import DynamoJobStore
from penstock.delivery.member_jobs import MemberResult
from penstock.jobs.events import read_event
from penstock.model.job import Claim, Job
from penstock.model.job_status import JobState
from penstock.model.object import Source, Target
from penstock.model.record import RAW_LIMIT
from penstock.model.serialization import to_json
from penstock_cli.main import main
from penstock_local.stack import Stack

pytestmark = pytest.mark.xdist_group("deployed-jobs")  # for one process to import moto's CloudFormation, for seconds
COMMANDS = [("jobs",), ("status", "a"), ("watch", "a"), ("rejects", "a"), ("redrive", "a"), ("report", "a")]


def run(*arguments: str, **options: Any) -> Result:
    return CliRunner(mix_stderr=False).invoke(main, arguments, **options)


@pytest.fixture
def deployed() -> Iterator[DeployedJobs]:
    with mock_aws():
        yield DeployedJobs()


def answer(*arguments: str, code: int = 0) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == code, result.stderr
    return json.loads(result.stdout)


def test_jobs_are_listed_newest_first_with_everything_that_distinguishes_them(deployed: DeployedJobs) -> None:
    failed, done = deployed.fail("in/bad.csv.gz"), deployed.succeed("in/good.csv.gz", rows=1234)
    result = run("jobs")
    assert result.exit_code == 0
    head, first, second = result.stdout.splitlines()
    assert head.split() == ["job", "state", "done", "delivered", "began", "took", "source", "and", "target"]
    assert first.split()[:5] == [done.id[:12], "succeeded", "100%", "1,234", "rows"]
    assert first.endswith("4.00 s  s3://drops/in/good.csv.gz -> s3://lake/in/good.csv.gz")
    assert second.split()[:3] == [failed.id[:12], "failed", "0%"]


def test_jobs_are_listed_by_state_up_to_the_limit(deployed: DeployedJobs) -> None:
    for number in range(5):
        deployed.fail(f"{number}.csv")
    deployed.succeed("good.csv")
    deployed.begin("now.csv")
    keys = [one["source"] for one in answer("jobs", "--state", "failed", "--limit", "2")["jobs"]]
    assert keys == ["s3://drops/4.csv", "s3://drops/3.csv"]
    both = answer("jobs", "--state", "succeeded", "--state", "running")["jobs"]
    assert [one["state"] for one in both] == ["running", "succeeded"]
    assert len(answer("jobs")["jobs"]) == 7


def test_no_jobs_are_said_so(deployed: DeployedJobs) -> None:
    assert run("jobs").stdout == "No jobs.\n"
    assert answer("jobs") == {"jobs": []}


def test_the_status_of_a_failed_job_says_why_and_what_to_do(deployed: DeployedJobs) -> None:
    job = deployed.fail()
    result = run("status", job.id)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["job", job.id]
    assert lines[1].split() == ["state", "failed"]
    for line in (
        "source      s3://drops/in/a.csv.gz (1.0 kB)",
        "target      s3://lake/in/a.csv.gz",
        "done        0.00% (0 of 1,000 bytes read)",
        "failure     InvalidTableError: table orders does not exist",
        "            Create the table.",
    ):
        assert line in lines


def test_the_status_of_a_job_that_many_workers_carry_counts_their_spans(deployed: DeployedJobs) -> None:
    job = deployed.deliver()
    lines = run("status", job.id).stdout.splitlines()
    for line in (
        "state       executing",
        "done        50.00% (500 of 1,000 bytes read)",
        "rows        40,000 loaded, 2 rejected, 10,000 a second",
        "bytes       8,000,000 delivered, 2.0 MB/s",
        "spans       2 of 3",
        "so far      4.00 s, 4.00 s left",
        f"execution   {job.id}",
        f"rejects     s3://the-work/jobs/{job.id}/rejects/",
    ):
        assert line in lines
    reported = answer("status", job.id)
    assert (reported["percent"], reported["rows"], reported["seconds_left"]) == (50.0, 40_000, 4.0)
    assert reported["rejects_folder"] == f"s3://the-work/jobs/{job.id}/rejects/"
    assert reported["report_file"] is None


def test_the_status_of_a_success_says_what_was_delivered_and_where_more_is(deployed: DeployedJobs) -> None:
    job = deployed.deliver()
    deployed.finish(job)
    lines = run("status", job.id).stdout.splitlines()
    assert "integrity   CRC32 00000007, codec gzip, 15 parts" in lines
    assert f"report      s3://the-work/jobs/{job.id}/report.json" in lines
    assert answer("status", job.id)["percent"] == 100.0


def test_a_running_job_shows_an_earlier_failure(deployed: DeployedJobs) -> None:
    job, claim = deployed.begin()
    deployed.jobs.release(claim, FAILURE)
    lines = run("status", job.id).stdout.splitlines()
    assert "earlier     InvalidTableError: table orders does not exist" in lines


@pytest.mark.parametrize("name", ["id", "prefix", "source"])
def test_a_job_is_named_by_id_prefix_or_source(deployed: DeployedJobs, name: str) -> None:
    job = deployed.fail("in/a b.csv")
    named = {"id": job.id, "prefix": job.id[:9], "source": job.source.uri}[name]
    assert answer("status", named)["job"] == job.id


def test_a_missing_job_is_reported_with_one_line_and_a_hint(deployed: DeployedJobs) -> None:
    result = run("status", "f" * 32)
    assert (result.exit_code, result.stdout) == (1, "")
    error, hint = result.stderr.splitlines()
    assert error == f"Error: job {'f' * 32} does not exist"
    assert hint.startswith("List the jobs with `penstock jobs`. A small member of an archive has no record of its own")


def test_a_hostile_name_of_a_source_does_not_control_the_terminal(deployed: DeployedJobs) -> None:
    job = deployed.fail(f"in/{HOSTILE}")
    deployed.reject(job, 1, raw="\x1b[2Jgone")
    for command in (("jobs",), ("status", job.id), ("watch", job.id), ("redrive", job.id, "--dry-run")):
        result = run(*command)
        assert "\x1b" not in result.stdout + result.stderr
        assert "\u202e" not in result.stdout
        assert "\\x1b[2J" in result.stdout


def test_rejects_are_json_lines_in_a_pipe(deployed: DeployedJobs) -> None:
    job = deployed.fail()
    deployed.reject(job, 3, raw='Zoë,"x\ny"', name="00001-000001")
    deployed.reject(job, 2, name="00001-000000")
    result = run("rejects", job.id)
    reported = [json.loads(line) for line in result.stdout.splitlines()]
    assert [one["row"] for one in reported] == [1, 2, 1, 2, 3]
    assert reported[4] == {
        "span": 1,
        "row": 3,
        "offset": 30,
        "column": "born",
        "reason": "not a date",
        "raw": 'Zoë,"x\ny"',
    }
    assert len(run("rejects", job.id, "--limit", "4", "--json").stdout.splitlines()) == 4


def test_rejects_of_an_archive_are_those_of_its_members(deployed: DeployedJobs) -> None:
    job, member = deployed.fail_archive("in/a.zip"), deployed.fail("in/a.zip/b.csv")
    deployed.reject(member, 1)
    result = MemberResult(1, "b.csv", JobState.FAILED, member.id, failure=FAILURE)
    key = f"jobs/{job.id}/members.jsonl"
    deployed.client("s3").put_object(Bucket=deployed.names["WorkBucketName"], Key=key, Body=to_json(result).encode())
    assert json.loads(run("rejects", job.id).stdout)["member"] == "b.csv"
    page = run("report", job.id, "--output", "-").stdout
    assert f"<code>penstock rejects {job.id}</code>" in page
    assert ">b.csv</" in page


def test_rejects_go_to_a_file(deployed: DeployedJobs, tmp_path: Path) -> None:
    job, file = deployed.fail(), tmp_path / "rejects.jsonl"
    deployed.reject(job, 3)
    result = run("rejects", job.id, "--output", str(file))
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"3 rejects in {file}\n")
    assert len(file.read_text().splitlines()) == 3


@pytest.mark.parametrize("command", [("rejects",), ("report",)])
def test_a_file_that_cannot_be_written_is_said_so(deployed: DeployedJobs, tmp_path: Path, command: tuple[str]) -> None:
    job = deployed.fail()
    result = run(*command, job.id, "--output", str(tmp_path / "no" / "such" / "folder"))
    assert result.exit_code == 1
    assert "folder: No such file or directory" in result.stderr


def test_rejects_that_have_expired_are_said_so(deployed: DeployedJobs) -> None:
    job = deployed.deliver()
    result = run("rejects", job.id)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "2 records were rejected; their files have expired.\n"


def test_a_redrive_sends_the_event_and_says_which_job(deployed: DeployedJobs) -> None:
    job = deployed.fail("in/a b+c.csv")
    result = run("redrive", job.id)
    assert (result.exit_code, result.stdout) == (0, f"redrive: {job.id} s3://drops/in/a b+c.csv\n")
    (body,) = deployed.messages
    (message,) = read_event({"Records": [{"eventSource": "aws:sqs", "messageId": "m", "body": body}]})
    assert message.sources == (job.source,)
    assert answer("status", job.id)["state"] == "waiting"


def test_all_failed_jobs_are_redriven_the_oldest_first(deployed: DeployedJobs) -> None:
    jobs = [deployed.fail(f"{n}.csv") for n in range(3)]
    deployed.succeed("good.csv")
    reported = answer("redrive", "--failed")
    assert [one["job"] for one in reported["redriven"]] == [job.id for job in jobs]
    assert len(deployed.messages) == 3
    again = run("redrive", "--failed")
    assert (again.exit_code, again.stdout) == (0, "No failed jobs.\n")


def test_a_failed_job_that_cannot_be_redriven_does_not_stop_the_others(deployed: DeployedJobs) -> None:
    old, other = deployed.fail("old.csv"), deployed.fail("other.csv")
    deployed.client("dynamodb").update_item(
        TableName=deployed.names["JobsTableName"],
        Key={"pk": {"S": f"job#{old.id}"}},
        UpdateExpression="REMOVE sequencer",
    )
    result = run("redrive", "--failed")
    assert result.exit_code == 1
    assert result.stdout == f"redrive: {other.id} s3://drops/other.csv\n"
    assert result.stderr == f"failed: the record of job {old.id} lacks its event: an earlier release wrote it\n"


def test_a_dry_run_redrives_nothing(deployed: DeployedJobs) -> None:
    job = deployed.fail()
    assert run("redrive", job.id, "--dry-run").stdout == f"(dryrun) redrive: {job.id} s3://drops/in/a.csv.gz\n"
    assert run("redrive", "--failed", "--dry-run", "--quiet").stdout == ""
    assert deployed.messages == []
    assert answer("status", job.id)["state"] == "failed"


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_a_job_that_has_succeeded_is_not_redriven(deployed: DeployedJobs, options: tuple[str, ...]) -> None:
    job = deployed.succeed()
    result = run("redrive", job.id, *options)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: job {job.id} has succeeded\n")
    assert deployed.messages == []


def test_a_job_is_watched_in_a_pipe_line_by_line_to_its_end(deployed: DeployedJobs) -> None:
    job = deployed.deliver()
    deployed.finish(job)
    result = run("watch", job.id)
    assert result.exit_code == 0
    line = f"{job.id} succeeded 100.00% 60,000 rows 2.0 MB/s took 6.00 s 3/3 spans s3://drops/in/large.csv.gz\n"
    assert result.stdout == line


def put(deployed: DeployedJobs, key: str, body: bytes) -> Source:
    s3 = deployed.client("s3")
    version = s3.put_object(Bucket="drops", Key=key, Body=body)
    return Source("drops", key, len(body), version["ETag"].strip('"'), version["VersionId"], "0A00")


def test_watching_a_source_means_its_current_version(deployed: DeployedJobs) -> None:
    s3 = deployed.client("s3")
    s3.create_bucket(Bucket="drops")
    s3.put_bucket_versioning(Bucket="drops", VersioningConfiguration={"Status": "Enabled"})
    older, newer = put(deployed, "a.csv", b"1"), put(deployed, "a.csv", b"2")
    # The job of the current version began first, because the event of the older version came late.
    for source, state in ((newer, JobState.SUCCEEDED), (older, JobState.FAILED)):
        claim = deployed.jobs.claim(Job(source, ROUTE, Target("lake", "a.csv")), lease=60)
        assert isinstance(claim, Claim)
        deployed.jobs.close(claim, state)
        deployed.now += 1
    reported = answer("watch", "s3://drops/a.csv", "--json")
    assert (reported["state"], reported["version_id"]) == ("succeeded", newer.version_id)


def test_a_source_that_does_not_exist_is_not_waited_for(deployed: DeployedJobs) -> None:
    deployed.client("s3").create_bucket(Bucket="drops")
    deployed.succeed("a.csv")
    result = run("watch", "s3://drops/a.csv")
    assert (result.exit_code, result.stderr.splitlines()[0]) == (1, "Error: s3://drops/a.csv does not exist")


def test_watching_a_failed_job_ends_with_1_and_says_why(deployed: DeployedJobs) -> None:
    job = deployed.fail()
    result = run("watch", job.id, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["state"] == "failed"
    assert result.stderr == "InvalidTableError: table orders does not exist\nCreate the table.\n"


def test_a_superseded_job_ends_a_watch_with_1(deployed: DeployedJobs) -> None:
    job, claim = deployed.begin()
    deployed.jobs.close(claim, JobState.SUPERSEDED, failure=FAILURE)
    assert run("watch", job.id).exit_code == 1


def test_a_report_is_written_under_the_jobs_name(deployed: DeployedJobs, tmp_path: Path) -> None:
    job = deployed.deliver()
    deployed.reject(job, 60)
    deployed.finish(job)
    with CliRunner().isolated_filesystem(tmp_path):
        result = run("report", job.id, "--rejects", "7")
        assert result.stdout == f"penstock-{job.id}.html\n"
        text = Path(result.stdout.strip()).read_text()
    assert text.startswith("<!doctype html>")
    assert text.count('<td class="raw">') == 7
    assert text.count('<rect class="span"') == 1
    assert text.count('<rect class="rejecting"') == 2


def test_a_report_goes_to_stdout_or_to_a_file(deployed: DeployedJobs, tmp_path: Path) -> None:
    job = deployed.fail()
    file = tmp_path / "a.html"
    assert run("report", job.id, "--output", str(file)).stdout == f"{file}\n"
    file.chmod(0o600)
    first = file.stat().st_ino
    assert run("report", job.id, "--output", str(file)).exit_code == 0
    assert file.stat().st_ino != first  # another file, renamed: a reader of the first one still has it whole
    assert (file.stat().st_mode & 0o777, [one.name for one in tmp_path.iterdir()]) == (0o600, ["a.html"])
    piped = run("report", job.id, "--output", "-").stdout
    assert piped.startswith("<!doctype html>")
    assert FAILURE.hint in piped
    assert FAILURE.hint in file.read_text()


def test_a_stack_is_named_by_option_or_environment() -> None:
    with mock_aws():
        job = DeployedJobs(name="mine").fail()
        assert answer("status", job.id, "--stack", "mine")["job"] == job.id
        assert run("jobs", env={"PENSTOCK_STACK": "mine"}).stdout.count(job.id[:12]) == 1
        assert run("jobs", "--stack", "other", env={"PENSTOCK_STACK": "mine"}).exit_code == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_a_stack_that_does_not_exist_is_one_line_and_a_hint(command: tuple[str, ...]) -> None:
    with mock_aws():
        result = run(*command)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: stack {STACK} does not exist in us-east-1\n")
    assert "--stack" in result.stderr


def test_a_stack_of_something_else_is_refused() -> None:
    with mock_aws():
        template = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}
        boto3.client("cloudformation").create_stack(StackName=STACK, TemplateBody=json.dumps(template))
        result = run("jobs")
    assert result.exit_code == 1
    assert "it is not a stack of Penstock" in result.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_region_and_profile_are_the_aws_commands(command: tuple[str, ...]) -> None:
    with mock_aws():
        assert "in eu-west-1" in run(*command, "--region", "eu-west-1").stderr
    result = run(*command, "--profile", "no-such-profile")
    assert result.exit_code == 1
    assert "no-such-profile" in result.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_an_invalid_endpoint_is_refused(command: tuple[str, ...]) -> None:
    result = run(*command, "--endpoint-url", "nowhere")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "--endpoint-url" in result.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_without_credentials_the_hint_says_how_to_get_some(command: tuple[str, ...], monkeypatch: Any) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    result = run(*command)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "aws configure" in result.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_no_local_stack_is_said_so(command: tuple[str, ...], tmp_path: Path) -> None:
    result = run(*command, "--state-dir", str(tmp_path))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: no local stack is running\nStart one with `penstock local up`.\n"


def test_the_local_stack_is_found_by_its_state(tmp_path: Path) -> None:
    with mock_aws():
        deployed = DeployedJobs()
        job = deployed.fail()
        stack = Stack(
            endpoint="https://dynamodb.us-east-1.amazonaws.com",  # moto knows services by these names
            source_bucket="",
            destination_bucket="",
            work_bucket="the-work",
            jobs_table=deployed.names["JobsTableName"],
            queue_url=deployed.names["QueueUrl"],
            dead_letter_queue_url="",
            ingest_function="",
            state_machine="",
            records_table="",
            postgres_dsn="",
            pid=1,
            log="",
        )
        (tmp_path / "local.json").write_text(json.dumps({"stack": stack.as_json(), "routes": "", "parameters": {}}))
        with (tmp_path / "lock").open("w") as lock:
            lock.write(str(os.getpid()))
            lock.flush()
            fcntl.flock(lock, fcntl.LOCK_EX)
            assert answer("jobs", "--state-dir", str(tmp_path))["jobs"][0]["job"] == job.id


@pytest.mark.parametrize(
    "arguments",
    [
        ("jobs", "--state", "lost"),
        ("jobs", "--limit", "0"),
        ("status",),
        ("rejects", "a", "--limit", "0"),
        ("redrive",),
        ("redrive", "a", "--failed"),
        ("watch", "--interval", "0"),
        ("report", "a", "--rejects", "-1"),
        ("jobs", "--local", "--stack", "mine"),
        ("jobs", "--local", "--region", "eu-west-1"),
    ],
)
def test_wrong_usage_ends_with_2(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")


@pytest.mark.parametrize("command", [command for command, *_ in COMMANDS])
def test_help_shows_examples(command: str) -> None:
    text = run(command, "--help").stdout
    assert f"  penstock {command}" in text
    assert "--stack" in text
    assert "[env var: PENSTOCK_STACK; default: penstock-dev]" in " ".join(text.split())


def test_the_shell_completes_commands_and_states() -> None:
    environment = {"_PENSTOCK_COMPLETE": "bash_complete", "COMP_WORDS": "penstock re", "COMP_CWORD": "1"}
    result = CliRunner(mix_stderr=False).invoke(main, [], prog_name="penstock", env=environment)
    assert {"plain,redrive", "plain,rejects", "plain,report"} <= set(result.stdout.split())
    environment |= {"COMP_WORDS": "penstock jobs --state su", "COMP_CWORD": "3"}
    result = CliRunner(mix_stderr=False).invoke(main, [], prog_name="penstock", env=environment)
    assert result.stdout.split() == ["plain,succeeded", "plain,superseded"]


def completed(*words: str) -> list[str]:
    line = " ".join(("penstock", *words))
    environment = {"_PENSTOCK_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words))}
    return CliRunner(mix_stderr=False).invoke(main, [], prog_name="penstock", env=environment).stdout.split()


def test_the_shell_completes_ids_of_jobs_files_and_codecs(deployed: DeployedJobs) -> None:
    job, _ = deployed.begin()
    assert completed("status", job.id[:4]) == [f"plain,{job.id}"]
    assert completed("watch", "--stack", "no-such-stack", job.id[:4]) == []
    assert completed("run", "or") == ["file,or"]
    assert completed("run", "s3://lake/or") == []
    assert completed("run", "a.csv", "--codec", "x") == ["plain,xz"]


WEEK = ("--since", "2026-11-20", "--until", "2026-11-27")


def test_jobs_since_reads_the_index_and_not_the_whole_table(
    deployed: DeployedJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scan(*_: object, **__: object) -> None:
        raise AssertionError("the whole table was read")

    monkeypatch.setattr(DynamoJobStore, "search", scan)
    failed, done = deployed.fail("in/bad.csv.gz"), deployed.succeed("in/good.csv.gz", rows=1234)
    job, _ = deployed.begin("in/running.csv.gz")
    assert [one["job"] for one in answer("jobs", *WEEK)["jobs"]] == [job.id, done.id, failed.id]
    assert [one["job"] for one in answer("jobs", *WEEK, "--limit", "1")["jobs"]] == [job.id]
    assert [one["job"] for one in answer("jobs", *WEEK, "--state", "failed")["jobs"]] == [failed.id]
    assert answer("jobs", *WEEK, "--route", "no-such-route")["jobs"] == []
    assert answer("jobs", "--since", "2026-11-01", "--until", "2026-11-02")["jobs"] == []


@pytest.mark.parametrize("arguments", [("--until", "1d"), ("--route", "orders")])
@pytest.mark.parametrize("command", [("jobs",), ("report", "a" * 32)])
def test_until_and_route_need_since(
    deployed: DeployedJobs, command: tuple[str, ...], arguments: tuple[str, str]
) -> None:
    result = run(*command, *arguments)
    assert result.exit_code == 2
    assert "need --since" in result.stderr


def test_a_moment_that_is_none_is_refused(deployed: DeployedJobs) -> None:
    result = run("jobs", "--since", "last week")
    assert result.exit_code == 2
    assert "neither an age, such as 7d" in result.stderr


def test_the_report_of_a_period_names_failures_and_figures(deployed: DeployedJobs, tmp_path: Path) -> None:
    failed, done = deployed.fail("in/bad.csv.gz"), deployed.succeed("in/good.csv.gz", rows=1234)
    result = run("report", *WEEK, "--output", str(tmp_path / "week.html"))
    assert result.exit_code == 0, result.stderr
    text = (tmp_path / "week.html").read_text()
    for expected in (failed.id[:12], done.id[:12], FAILURE.error, FAILURE.message, "1,234", ": 2 jobs<"):
        assert expected in text, expected


def test_a_report_is_of_a_job_or_of_a_period(deployed: DeployedJobs) -> None:
    for arguments in ((), ("a" * 32, *WEEK)):
        result = run("report", *arguments)
        assert result.exit_code == 2
        assert "either a JOB or --since" in result.stderr


def test_rejects_are_written_in_the_form_of_their_source(deployed: DeployedJobs, tmp_path: Path) -> None:
    routes, file, copy = tmp_path / "routes.toml", tmp_path / "to-fix.csv", tmp_path / "copy.csv"
    routes.write_text('[[route]]\nname = "orders"\nmatch = "*"\ndestination = "postgresql:orders"\n')
    copy.write_bytes(b"id,born\r\n1,not a date\r\n".ljust(1000, b"x"))
    job = deployed.fail("in/a.csv", version="")
    deployed.reject(job, 1)
    command = ("rejects", job.id, "--as-source", "--routes", str(routes), "--output", str(file))
    deployed.client("s3").create_bucket(Bucket="drops")
    gone = run(*command)
    assert (gone.exit_code, gone.stdout, file.exists()) == (1, "", False)
    assert "the header is not known: the source is no longer there" in gone.stderr
    done = run(*command, "--source", str(copy))
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", f"1 record in {file}\n")
    assert file.read_bytes() == b"id,born\r\n1,not a date\r\n"


def test_records_that_are_not_whole_are_named_and_not_written(deployed: DeployedJobs, tmp_path: Path) -> None:
    routes = tmp_path / "routes.toml"
    parse = 'parse = { header = false, columns = ["id", "born"] }'
    routes.write_text(f'[[route]]\nname = "orders"\nmatch = "*"\ndestination = "postgresql:orders"\n{parse}\n')
    deployed.client("s3").create_bucket(Bucket="drops")
    job = deployed.fail("in/a.csv", version="")
    deployed.reject(job, 1, raw="x" * RAW_LIMIT)
    deployed.reject(job, 1, name="00001-000002")
    result = run("rejects", job.id, "--as-source", "--routes", str(routes))
    assert (result.exit_code, result.stdout) == (1, "1,not a date\n")
    assert "not written: row 1 (byte 10), which is not whole in the rejects" in result.stderr


@pytest.mark.parametrize("options", [("--as-source", "--json"), ("--source", "x"), ("--routes", "x")])
def test_options_for_the_form_of_the_source_need_it(deployed: DeployedJobs, options: tuple[str, ...]) -> None:
    assert run("rejects", deployed.fail().id, *options).exit_code == 2
