"""A large load into a missing table: it fails, is inspected with every command, fixed and redriven."""

from __future__ import annotations

import json
import time
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from penstock_cli.main import main
from penstock_local.deploy import STACK_NAME
from penstock_local.stack import Stack, function_logs

ROWS = 250_000
BAD = frozenset({7, 120_000, 249_999})
WAIT_SECONDS = 60.0


def run(stack: Stack, *arguments: str, code: int = 0) -> Result:
    command = [*arguments, "--stack", STACK_NAME]
    result = CliRunner(mix_stderr=False).invoke(main, command, env=stack.environment)
    assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
    return result


def job_id_of(stack: Stack, source: str) -> str:
    """Wait for the job of a source, and return its id."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        result = CliRunner(mix_stderr=False).invoke(
            main, ["status", source, "--json", "--stack", STACK_NAME], env=stack.environment
        )
        if result.exit_code == 0:
            return str(json.loads(result.stdout)["job"])
        time.sleep(0.3)
    raise AssertionError(f"{source} was not taken within {WAIT_SECONDS} s")


@pytest.fixture
def data() -> bytes:
    lines = (f"{'bad' if n in BAD else n},the name of number {n}\n" for n in range(ROWS))
    return ("id,name\n" + "".join(lines)).encode()


@pytest.mark.long
def test_a_failed_load_is_found_explained_fixed_and_redriven(stack: Stack, data: bytes, tmp_path: Path) -> None:
    stack.client("s3").put_object(Bucket=stack.source_bucket, Key="mended/a b.csv", Body=data)
    source = f"s3://{stack.source_bucket}/mended/a b.csv"
    job = job_id_of(stack, source)

    watched = run(stack, "watch", job, "--interval", "0.5", code=1)
    assert "failed" in watched.stdout.splitlines()[-1]
    assert "DestinationMissingError" in watched.stderr
    listed = json.loads(run(stack, "jobs", "--state", "failed", "--json").stdout)["jobs"]
    assert job in [entry["job"] for entry in listed]
    reported = json.loads(run(stack, "status", job[:16], "--json", "--endpoint-url", stack.endpoint).stdout)
    assert (reported["source"], reported["execution"], reported["redrives"]) == (source, job, 0)
    assert reported["failure"]["error"] == "DestinationMissingError"
    assert run(stack, "rejects", job).stdout == ""
    failed = run(stack, "report", job, "--output", "-").stdout
    assert "DestinationMissingError" in failed
    assert "penstock redrive" in failed

    with psycopg.connect(stack.postgres_dsn, autocommit=True) as database:
        database.execute("CREATE TABLE mended (id integer NOT NULL, name text)")
        assert run(stack, "redrive", job).stdout == f"redrive: {job} {source}\n"
        assert "100.00%" in run(stack, "watch", job, "--interval", "0.5").stdout.splitlines()[-1]
        found = database.execute("SELECT count(*), count(DISTINCT id), sum(id) FROM mended").fetchone()
    assert found == (ROWS - 3, ROWS - 3, sum(range(ROWS)) - sum(BAD))

    reported = json.loads(run(stack, "status", source, "--json").stdout)
    assert (reported["state"], reported["execution"], reported["redrives"]) == ("succeeded", f"{job}-2", 1)
    assert reported["spans"] == reported["spans_done"] > 1
    rejects = [json.loads(line) for line in run(stack, "rejects", job).stdout.splitlines()]
    assert [reject["row"] for reject in rejects] == [number + 1 for number in sorted(BAD)]
    assert {reject["raw"].split(",")[0] for reject in rejects} == {"bad"}
    file = tmp_path / "report.html"
    run(stack, "report", job, "--output", str(file))
    text = file.read_text()
    assert text.count('<rect class="span"') + text.count('<rect class="rejecting"') == reported["spans"]
    assert text.count('<td class="raw">') == len(BAD)
    assert "has succeeded" in run(stack, "redrive", job, code=1).stderr

    # The emulator writes the log lines of an invocation when it ends.
    logged = function_logs(stack)
    functions = {"ingest", "plan", "index", "work", "finish", "abort"}
    assert {line.function for line in logged} - {"after", "announce", "reconcile"} == functions
    assert any(job in line.text for line in function_logs(stack, ["ingest"]))
    assert {line.function for line in function_logs(stack, ["abort"])} == {"abort"}
    assert len({line.id for line in logged}) == len(logged)
    assert {line.id for line in logged} <= {line.id for line in function_logs(stack)}
