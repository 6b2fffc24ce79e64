"""The tools that have a virtual environment of their own, and the locks that pin them."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock_local import tools
from penstock_local.sources import checkout


def test_the_checkout_is_where_the_template_is() -> None:
    assert (checkout() / "template.yaml").is_file()


def test_every_tool_has_a_pin_and_a_lock_that_repeats_it() -> None:
    requirements = checkout() / "requirements"
    for tool in (*tools.TOOLS, *tools.ON_DEMAND, "dev"):
        locked = (requirements / f"{tool}.lock").read_text().lower().replace("_", "-").splitlines()
        for line in pinned(requirements / f"{tool}.txt"):
            name, _, version = line.partition("==")
            assert f"{name.partition('[')[0]}=={version}" in locked


def pinned(path: Path) -> list[str]:
    """The lines of a file of requirements, and of those that it includes, without comments."""
    lines = [line for line in path.read_text().lower().splitlines() if not line.startswith("#")]
    included = [line.removeprefix("-r ") for line in lines if line.startswith("-r ")]
    own = [line for line in lines if not line.startswith("-r ")]
    return [*own, *(line for name in included for line in pinned(path.with_name(name)))]


@pytest.mark.parametrize("tool", [*tools.TOOLS, *tools.ON_DEMAND, "dev"])
def test_a_lock_pins_every_line_exactly(tool: str) -> None:
    for line in (checkout() / "requirements" / f"{tool}.lock").read_text().splitlines():
        assert "==" in line
        assert " @ " not in line
