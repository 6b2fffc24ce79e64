"""A running local stack is deployed again with what has changed, and keeps everything else."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from penstock.errors import InvalidRouteError
from penstock_local import stack as stacks

ROUTES = """
[[route]]
name = "copy"
match = "in/*"
destination = "s3://{destination_bucket}/{key}"
"""
PARAMETERS = {"PostgresDsn": "postgresql://local", "CreateBuckets": "false", "SourceBucketNames": "drops"}
PARAMETERS |= {"DestinationBucketNames": "lake", "BatchSize": "10"}


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, str]]]:
    calls: list[tuple[str, dict[str, str]]] = []

    def deploy(running: stacks.Stack, _template: Path, routes: str, parameters: dict[str, str], _dir: Path) -> Any:
        calls.append((routes, dict(parameters)))
        return replace(running, source_bucket="after")

    monkeypatch.setattr(stacks, "_deploy", deploy)
    monkeypatch.setattr(stacks, "build", lambda: Path("template.yaml"))
    return calls


def running(directory: Path, routes: str = ROUTES) -> stacks.Stack:
    names: dict[str, Any] = dict.fromkeys(stacks.Stack.__dataclass_fields__, "x")
    found = stacks.Stack(**{**names, "pid": 1})
    saved = {"stack": found.as_json(), "routes": routes, "parameters": PARAMETERS}
    (directory / "local.json").write_text(json.dumps(saved))
    return found


def test_a_parameter_is_added_to_those_of_the_stack(tmp_path: Path, deployed: list[Any]) -> None:
    topics = {"SourceTopicArns": "arn:aws:sns:us-east-1:000000000000:drops"}
    assert stacks.change(running(tmp_path), parameters=topics, state_dir=tmp_path).source_bucket == "after"
    assert deployed == [(ROUTES, {**PARAMETERS, **topics})]


def test_the_same_again_deploys_nothing(tmp_path: Path, deployed: list[Any]) -> None:
    found = running(tmp_path)
    routes = tmp_path / "routes.toml"
    routes.write_text(ROUTES)
    assert stacks.change(found, routes=routes, parameters={"BatchSize": "10"}, state_dir=tmp_path) is found
    assert not deployed


def test_a_parameter_that_the_routes_of_the_stack_do_not_suit_is_refused(tmp_path: Path, deployed: list[Any]) -> None:
    with pytest.raises(InvalidRouteError, match="destination_bucket"):
        stacks.change(running(tmp_path), parameters={"DestinationBucketNames": "lake,other"}, state_dir=tmp_path)
    assert not deployed
