"""The source of template.yaml: two files, with shared parts. The deployed template repeats these parts."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from penstock_local.tools import ensure

ROOT = Path(__file__).parents[2]
INCLUDED = ROOT / "deploy" / "operations.yaml"


def test_every_condition_is_used(template: dict[str, Any]) -> None:
    used = str([template["Globals"], template["Resources"]])
    others = str(template["Conditions"])
    unused = {
        name
        for name in template["Conditions"]
        if f"'Fn::If': ['{name}'" not in used and f"'Condition': '{name}'" not in used + others
    }
    assert unused == set()


def test_the_included_file_has_only_alarms_and_the_dashboard(template: dict[str, Any]) -> None:
    included = yaml.safe_load(INCLUDED.read_text(encoding="utf-8"))
    assert {resource["Type"] for resource in included.values()} == {
        "AWS::CloudWatch::Alarm",
        "AWS::CloudWatch::Dashboard",
    }
    assert included.items() <= template["Resources"].items()


def test_the_included_file_has_only_the_syntax_of_cloudformation() -> None:
    """The file is uploaded unchanged."""
    events = list(yaml.parse(INCLUDED.read_text(encoding="utf-8"), yaml.SafeLoader))
    assert not [event for event in events if isinstance(event, yaml.AliasEvent)]
    assert not [event for event in events if getattr(event, "tag", None)]


@pytest.mark.long
def test_the_linter_finds_nothing_in_the_deployed_template(template: dict[str, Any], tmp_path: Path) -> None:
    """The warnings that `sam validate --lint` omits concern the source of the template only."""
    written_out = {**template, "Metadata": {**template["Metadata"]}}
    assert written_out["Metadata"].pop("cfn-lint") == {
        "config": {"ignore_checks": ["W1100", "W2001", "W7001", "W8001"]}
    }
    (tmp_path / "template.json").write_text(json.dumps(written_out))
    linter = ensure("sam") / "bin" / "cfn-lint"
    done = subprocess.run(
        [linter, tmp_path / "template.json"], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
