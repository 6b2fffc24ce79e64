"""The tools that have a virtual environment of their own, and the locks that pin them."""

from __future__ import annotations

import pytest

from penstock_local import tools


def test_the_checkout_is_where_the_template_is() -> None:
    assert (tools.checkout() / "template.yaml").is_file()


def test_every_tool_has_a_pin_and_a_lock_that_repeats_it() -> None:
    requirements = tools.checkout() / "requirements"
    for tool in (*tools.TOOLS, *tools.ON_DEMAND, "dev"):
        locked = (requirements / f"{tool}.lock").read_text().lower().replace("_", "-").splitlines()
        for line in (requirements / f"{tool}.txt").read_text().lower().splitlines():
            name, _, version = line.partition("==")
            assert f"{name.partition('[')[0]}=={version}" in locked


@pytest.mark.parametrize("tool", [*tools.TOOLS, *tools.ON_DEMAND, "dev"])
def test_a_lock_pins_every_line_exactly(tool: str) -> None:
    for line in (tools.checkout() / "requirements" / f"{tool}.lock").read_text().splitlines():
        assert "==" in line
        assert " @ " not in line
