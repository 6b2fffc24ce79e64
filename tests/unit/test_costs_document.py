"""docs/costs.md shows what `python -m benchmarks.costs` prints, and every resource of the template is in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from benchmarks.costs import main
from benchmarks.idle_costs import FREE, PRICED, Charge, IdleStack, after_free_tier
from faults.template import read_template

from penstock.explain.prices import LISTED, listed_prices

ROOT = Path(__file__).parents[2]


def test_the_document_shows_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().out


def test_a_price_that_changes_changes_the_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(LISTED.read_text().replace("alarm_month = 0.10", "alarm_month = 0.20"))
    assert main(["--check", "--prices", str(file)]) == 1
    assert "`ErrorsAlarm` | 1 metric | 0.200" in capsys.readouterr().out


def test_every_type_of_resource_is_priced_or_free_for_a_reason() -> None:
    kinds = {resource["Type"] for resource in read_template()["Resources"].values()}
    assert kinds <= FREE.keys() | PRICED.keys()
    assert not FREE.keys() & PRICED.keys()


def test_a_resource_of_another_type_has_no_price() -> None:
    template = read_template()
    template["Resources"]["Gateway"] = {"Type": "AWS::EC2::NatGateway", "Properties": {}}
    with pytest.raises(KeyError, match="NatGateway"):
        list(IdleStack(template, listed_prices()).charges())


def test_a_resource_that_a_default_leaves_out_costs_nothing() -> None:
    template = read_template()
    assert "Dashboard" in {charge.resource for charge in IdleStack(template, listed_prices()).charges()}
    template["Parameters"]["CreateDashboard"]["Default"] = "false"
    template["Parameters"]["AfterActions"]["Default"] = "tag"
    charged = {charge.resource for charge in IdleStack(template, listed_prices()).charges()}
    assert "Dashboard" not in charged
    assert "AfterErrorsAlarm" in charged


def test_the_free_tier_pays_for_a_part_of_what_exceeds_it() -> None:
    prices = listed_prices()
    alarms = [Charge("a", "", 1.00, "alarms", 10), Charge("b", "", 0.50, "alarms", 5)]
    assert after_free_tier([*alarms, Charge("c", "", 2.00)], prices) == pytest.approx(2.50)


def test_no_other_document_states_what_an_idle_stack_costs() -> None:
    """Figures of other documents come from their own commands; those of operation are here."""
    for page in ("operations.md", "deploy.md", "index.md"):
        assert re.findall(r"\$\d|\bUS cents?\b|\d dollars\b", (ROOT / "docs" / page).read_text()) == []
