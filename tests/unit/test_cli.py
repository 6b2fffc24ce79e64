"""The command: what it accepts, what it prints, how it ends."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from penstock.wiring.operations import StackNames
from penstock_cli.main import Commands, main
from penstock_cli.stacks import local_names
from penstock_local import stack as stacks
from penstock_local.errors import LocalStackError
from penstock_local.stack import LogLine, Stack

STACK = Stack(
    endpoint="http://127.0.0.1:4566",
    source_bucket="the-source",
    destination_bucket="the-destination",
    work_bucket="the-work",
    jobs_table="the-jobs",
    queue_url="http://127.0.0.1:4566/000000000000/queue",
    dead_letter_queue_url="http://127.0.0.1:4566/000000000000/dead",
    ingest_function="the-ingest",
    abort_function="the-abort",
    state_machine="arn:aws:states:us-east-1:000000000000:stateMachine:the-machine",
    records_table="the-records",
    postgres_dsn="postgresql://the-database",
    pid=4711,
    log="emulator.log",
)


def test_jobs_of_the_local_stack_are_told_by_all_of_its_names() -> None:
    assert local_names(STACK) == StackNames(
        STACK.jobs_table, STACK.work_bucket, STACK.queue_url, STACK.state_machine, STACK.abort_function
    )


def run(*arguments: str) -> Result:
    return CliRunner(mix_stderr=False).invoke(main, arguments)


def test_an_unknown_choice_is_an_error_that_lists_the_known_ones() -> None:
    result = run("run", "orders.csv", "--to", "postgresql:orders", "--format", "orc")
    assert result.exit_code == 2
    formats = "'auto', 'csv', 'jsonl', 'json', 'xlsx', 'fixed', 'xml', 'avro', 'parquet'"
    assert f"'orc' is not one of {formats}." in result.stderr


@pytest.fixture
def empty(tmp_path: Path) -> tuple[str, ...]:
    return ("local", "--state-dir", str(tmp_path))


@pytest.fixture
def existing(tmp_path: Path) -> Iterator[tuple[str, ...]]:
    """A state directory whose lock is held, as a running emulator holds it."""
    noted = {"stack": STACK.as_json(), "routes": "", "parameters": {}}
    (tmp_path / "local.json").write_text(json.dumps(noted))
    with (tmp_path / "lock").open("w") as lock:
        lock.write(str(os.getpid()))
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield ("local", "--state-dir", str(tmp_path))


@pytest.mark.parametrize(
    "arguments",
    [
        ("no-such-command",),
        ("local", "up", "--no-such-option"),
        ("local", "up", "--parameter", "SpanBytes"),
        ("local", "up", "--parameter", "=1"),
        ("local", "up", "--port", "0"),
        ("local", "up", "--port", "65536"),
        ("local", "up", "--routes", "no-such-file.toml"),
        ("local", "down", "too", "many"),
        ("local", "logs", "--function", "no-such-function"),
    ],
)
def test_wrong_usage_ends_with_2(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Usage: ")


@pytest.mark.parametrize("arguments", [("--help",), ("local", "--help"), ("local", "up", "--help")])
def test_help_ends_with_0(arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 0


def test_status_of_no_stack_ends_with_3(empty: tuple[str, ...]) -> None:
    result = run(*empty, "status")
    assert (result.exit_code, result.stdout) == (3, "No local stack is up.\n")


def test_status_of_no_stack_is_json_too(empty: tuple[str, ...]) -> None:
    result = run(*empty, "status", "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (3, {"up": False})


def test_down_of_no_stack_is_no_error(empty: tuple[str, ...]) -> None:
    assert run(*empty, "down").exit_code == 0


def test_a_known_error_is_one_line_and_a_hint(empty: tuple[str, ...]) -> None:
    result = run(*empty, "logs")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: no local stack is running\nStart one with `penstock local up`.\n"


def test_debug_shows_where_a_known_error_was_raised(empty: tuple[str, ...]) -> None:
    assert isinstance(run("--debug", *empty, "logs").exception, LocalStackError)


def test_ctrl_c_ends_with_130() -> None:
    @click.group(cls=Commands)
    @click.option("--debug", is_flag=True)
    def group(debug: bool) -> None:
        pass

    @group.command()
    def wait() -> None:
        raise KeyboardInterrupt

    result = CliRunner().invoke(group, ["wait"])
    assert (result.exit_code, result.output) == (130, "")


def test_wrong_routes_are_refused_before_anything_starts(empty: tuple[str, ...], tmp_path: Path) -> None:
    routes = tmp_path / "routes.toml"
    routes.write_text('[[route]]\nname = "nowhere"\nmatch = ["*"]\n')
    result = run(*empty, "up", "--routes", str(routes))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "routes.toml" in result.stderr
    assert "destination" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["routes.toml"]


def test_json_is_one_object_with_everything_a_program_needs(existing: tuple[str, ...]) -> None:
    result = run(*existing, "up", "--json")
    assert result.exit_code == 0
    assert result.stdout.count("\n") == 1
    answer = json.loads(result.stdout)
    assert answer == STACK.as_json()
    assert {"endpoint", "source_bucket", "destination_bucket", "work_bucket", "jobs_table"} < set(answer)


def test_up_leaves_a_stack_that_is_up_as_it_is(existing: tuple[str, ...]) -> None:
    result = run(*existing, "up", "--detach")
    assert result.exit_code == 0
    assert result.stdout.startswith("Already up at http://127.0.0.1:4566")


def test_up_accepts_the_port_that_the_stack_already_has(existing: tuple[str, ...]) -> None:
    assert run(*existing, "up", "--port", "4566").exit_code == 0


def test_up_refuses_to_move_a_stack_to_another_port(existing: tuple[str, ...]) -> None:
    result = run(*existing, "up", "--port", "4567")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "already running at http://127.0.0.1:4566" in result.stderr


def test_up_refuses_an_unknown_parameter_for_a_stack_that_is_up(existing: tuple[str, ...]) -> None:
    result = run(*existing, "up", "--parameter", "SpanByte=33554432")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "the template has no parameter SpanByte" in result.stderr


def test_status_shows_what_to_type_next(existing: tuple[str, ...]) -> None:
    result = run(*existing, "status")
    assert result.exit_code == 0
    for line in (
        "  export AWS_ENDPOINT_URL=http://127.0.0.1:4566",
        "  export AWS_DEFAULT_REGION=us-east-1",
        "  aws s3 cp big.csv.gz s3://the-source/",
    ):
        assert line in result.stdout.splitlines()


def test_a_stack_that_is_only_half_up_is_neither_up_nor_down(existing: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "local.json").unlink()
    result = run(*existing, "status")
    assert result.exit_code == 1
    assert "being started" in result.stderr


def logged(*functions: str) -> list[LogLine]:
    return [LogLine(at, f"{name}/{at}", name, f"line {at}") for at, name in enumerate(functions)]


def test_logs_say_whose_each_line_is(existing: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "function_logs", lambda stack, functions: logged(*functions))
    assert run(*existing, "logs").stdout.splitlines()[:3] == ["ingest line 0", "plan   line 1", "index  line 2"]
    chosen = run(*existing, "logs", "--function", "work", "--function", "abort")
    assert chosen.stdout == "work   line 0\nabort  line 1\n"


def test_logs_of_one_function_are_its_lines_alone(existing: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "function_logs", lambda stack, functions: logged(*functions))
    assert run(*existing, "logs", "--function", "work").stdout == "line 0\n"


def test_logs_that_are_followed_show_each_line_once_even_if_it_comes_late(
    existing: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = [logged("ingest", "work")[1:], logged("ingest", "work"), logged("ingest", "work", "work")]

    def next_page(stack: Stack, functions: object) -> list[LogLine]:
        if not pages:
            raise KeyboardInterrupt
        return pages.pop(0)

    monkeypatch.setattr(stacks, "function_logs", next_page)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    result = run(*existing, "logs", "--follow")
    assert (result.exit_code, result.stdout) == (130, "work   line 1\ningest line 0\nwork   line 2\n")
