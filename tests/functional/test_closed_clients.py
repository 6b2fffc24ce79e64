"""Commands and functions close their connections to AWS themselves, not when their clients are freed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import penstock
from functional.s3_lake import Lake
from penstock.aws.sdk import AwsSession
from penstock_cli.main import main

pytest_plugins = ["functional.lake_fixtures"]

CSV = b"id,km\n1,7.5\n"
ROUTES = """
[[route]]
name = "copy"
match = ["in/*"]
destination = "s3://elsewhere/{key}"
"""


@pytest.fixture(autouse=True)
def clients(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Keeps every client alive: without a reference, its connections would be closed without ``close``."""
    kept: list[Any] = []
    create = AwsSession.create_client

    def create_and_keep(session: AwsSession, *args: Any, **options: Any) -> Any:
        kept.append(create(session, *args, **options))
        return kept[-1]

    monkeypatch.setattr(AwsSession, "create_client", create_and_keep)
    return kept


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "trips.csv"
    path.write_bytes(CSV)
    return path


@pytest.fixture
def routes(lake: Lake) -> str:
    lake.put("in/trips.csv", CSV)
    lake.put("routes.toml", ROUTES.encode())
    return f"{lake.uri}/routes.toml"


Call = Callable[[Lake, Path, str], object]


def run(lake: Lake, file: Path, _routes: str) -> object:
    return penstock.run(f"{lake.uri}/in/trips.csv", to=file.with_name("copy.csv"), endpoint_url=lake.proxy.url)


def run_fails(lake: Lake, file: Path, _routes: str) -> None:
    with pytest.raises(penstock.SourceGoneError):
        penstock.run(f"{lake.uri}/missing", to=file.with_name("copy.csv"), endpoint_url=lake.proxy.url)


def explain(lake: Lake, _file: Path, routes: str) -> object:
    return penstock.explain(f"{lake.uri}/in/trips.csv", routes=routes, endpoint_url=lake.proxy.url)


def upload(lake: Lake, file: Path, _routes: str) -> object:
    return penstock.upload(file, f"{lake.uri}/up/", endpoint_url=lake.proxy.url)


def upload_fails(lake: Lake, file: Path, _routes: str) -> None:
    with pytest.raises(penstock.DestinationMissingError):
        penstock.upload(file, "s3://no-such-bucket-here/up/", endpoint_url=lake.proxy.url)


@pytest.mark.parametrize("call", [run, run_fails, explain, upload, upload_fails])
def test_a_function_closes_its_connections(lake: Lake, file: Path, routes: str, call: Call) -> None:
    call(lake, file, routes)
    assert lake.proxy.accepted
    assert lake.proxy.wait_until_closed()


@pytest.mark.parametrize(
    "command",
    [
        ["run", "{lake}/in/trips.csv", "--to", "{folder}/copy.csv"],
        ["explain", "{lake}/in/trips.csv", "--routes", "{lake}/routes.toml"],
        ["routes", "check", "{lake}/routes.toml"],
        ["upload", "{folder}/trips.csv", "{lake}/up/"],
        ["uploads", "{lake}/"],
        ["abort", "{lake}/", "--older-than", "0s"],
        ["sync", "{folder}", "{lake}/synced"],
    ],
    ids=lambda command: command[0],
)
@pytest.mark.usefixtures("routes")
def test_a_command_closes_its_connections(lake: Lake, file: Path, command: list[str]) -> None:
    given = [text.format(lake=lake.uri, folder=file.parent) for text in command]
    result = CliRunner(mix_stderr=False).invoke(main, [*given, "--endpoint-url", lake.proxy.url])
    assert result.exit_code == 0, result.stderr
    assert lake.proxy.accepted
    assert lake.proxy.wait_until_closed()
