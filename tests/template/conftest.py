"""Fixtures: template.yaml and samconfig.toml as data."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from faults.template import read_template

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def template() -> dict[str, Any]:
    return read_template()


def merged(shared: Any, own: Any) -> Any:
    """Merge as SAM merges Globals: maps by key, lists by concatenation; otherwise the resource's value wins."""
    if isinstance(shared, dict) and isinstance(own, dict):
        both = shared | own
        return {key: merged(shared[key], own[key]) if key in shared and key in own else both[key] for key in both}
    return [*shared, *own] if isinstance(shared, list) and isinstance(own, list) else own


@pytest.fixture(scope="session")
def resources(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The resources, with Globals merged into functions."""
    shared = template["Globals"]["Function"]
    return {
        name: {**resource, "Properties": merged(shared, resource["Properties"])}
        if resource["Type"] == "AWS::Serverless::Function"
        else resource
        for name, resource in template["Resources"].items()
    }


@pytest.fixture(scope="session")
def machine() -> dict[str, Any]:
    """The definition of the state machine in the checkout."""
    loaded: dict[str, Any] = json.loads((ROOT / "statemachine" / "job.asl.json").read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(scope="session")
def parameters(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = template["Parameters"]
    return found


@pytest.fixture(scope="session")
def samconfig() -> dict[str, Any]:
    return tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))
