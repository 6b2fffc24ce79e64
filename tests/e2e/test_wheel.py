"""The wheel in an empty environment: every command works without a checkout."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import psycopg
import pytest

from installed_wheel import Command, installed_penstock
from penstock_cli.main import COMMANDS
from penstock_local.deploy import STACK_NAME
from penstock_local.stack import Stack
from stack_jobs import job_of

__all__ = ["installed_penstock"]

ROWS = 1000
GROUPS = {"local": ("up", "down", "status", "logs"), "routes": ("check",)}

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("stack"), pytest.mark.timeout(900)]


@pytest.fixture
def command(installed_penstock: Path, tmp_path: Path) -> Command:
    return Command(installed_penstock, tmp_path, {})


def test_every_command_has_a_help(command: Command) -> None:
    listed = command.run("--help")
    for name in COMMANDS:
        assert f"  {name} " in listed
        for verb in ((), *((verb,) for verb in GROUPS.get(name, ()))):
            assert "Usage:" in command.run(name, *verb, "--help")


def test_the_wheel_has_the_packaged_routes(command: Command) -> None:
    assert "a.csv.gz: decompress -> s3://destination_bucket/a.csv" in command.run(
        "routes", "check", "--key", "a.csv.gz"
    )


def test_no_local_stack_runs_at_first(command: Command) -> None:
    assert "No local stack" in command.run("local", "status", code=3)
    assert "No local stack" in command.run("local", "down")
    assert "no local stack" in command.run("local", "logs", code=1)


def test_the_local_stack_of_the_wheel_delivers_an_object(command: Command) -> None:
    (command.folder / "a.txt.gz").write_bytes(gzip.compress(b"from the wheel"))
    command.run("local", "up", "--detach")
    try:
        described = json.loads(command.run("local", "status", "--json"))
        command.environment |= {
            "AWS_ENDPOINT_URL": described["endpoint"],
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        command.run("upload", "a.txt.gz", f"s3://{described['source_bucket']}/a.txt.gz")
        assert "succeeded" in command.run("watch", f"s3://{described['source_bucket']}/a.txt.gz", "--local")
        command.run("run", f"s3://{described['destination_bucket']}/a.txt", "--to", "a.txt")
        assert (command.folder / "a.txt").read_bytes() == b"from the wheel"
    finally:
        command.run("local", "down")


def test_every_command_works_on_a_stack(installed_penstock: Path, stack: Stack, tmp_path: Path) -> None:
    command = Command(installed_penstock, tmp_path, {**stack.environment, "PENSTOCK_STACK": STACK_NAME})
    lines = "".join(f"{n},name {n}\n" for n in range(ROWS))
    text = f"id,name\n{lines}"
    (tmp_path / "wheel.csv").write_text(text)
    (tmp_path / "wheel.csv.gz").write_bytes(gzip.compress(text.encode()))
    source = f"s3://{stack.source_bucket}/wheel/wheel.csv.gz"

    assert "decompress" in command.run("explain", "wheel.csv.gz", "--stack", STACK_NAME, "--as", "wheel/wheel.csv.gz")
    command.run("upload", "wheel.csv.gz", source)
    job_of(stack, "wheel/wheel.csv.gz")
    job = json.loads(command.run("status", source, "--json"))["job"]
    assert job in command.run("jobs", "--json")
    assert "succeeded" in command.run("status", job)
    assert "succeeded" in command.run("watch", source)
    assert command.run("rejects", job) == ""
    command.run("report", job, "--output", "report.html")
    assert job in (tmp_path / "report.html").read_text()
    assert "has succeeded" in command.run("redrive", job, code=1)
    assert "decompress" in command.run("routes", "check", "--stack", STACK_NAME)

    command.run("sync", f"s3://{stack.destination_bucket}/wheel", "synced")
    command.run("run", source, "--to", "decoded.csv")
    assert (tmp_path / "synced" / "wheel.csv").read_text() == (tmp_path / "decoded.csv").read_text() == text
    command.run("run", "wheel.csv.gz", "--to", "postgresql:by_wheel", "--create", "--dsn", stack.postgres_dsn)
    with psycopg.connect(stack.postgres_dsn) as database:
        assert database.execute("SELECT count(*), sum(id) FROM by_wheel").fetchone() == (ROWS, sum(range(ROWS)))

    stack.client("s3").create_multipart_upload(Bucket=stack.source_bucket, Key="wheel/half")
    assert "wheel/half" in command.run("uploads", f"s3://{stack.source_bucket}/wheel/")
    command.run("abort", f"s3://{stack.source_bucket}/wheel/half")
    assert "wheel/half" not in command.run("uploads", f"s3://{stack.source_bucket}/wheel/")
