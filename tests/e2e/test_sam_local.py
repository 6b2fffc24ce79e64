"""The short form of `make sam-local`: invokes each function in Lambda's image, if a Docker engine has the image."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock_local.account import emulator_only
from penstock_local.deploy import build
from penstock_local.errors import LocalStackError
from penstock_local.sam_local.announcements import announced
from penstock_local.sam_local.executions import SHORT
from penstock_local.sam_local.functions import IMAGE, Functions, bridge_address, has_image
from penstock_local.sam_local.resources import Resources, create_resources
from penstock_local.stack import FUNCTIONS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs a Docker bridge to this machine")


@pytest.fixture
def resources() -> Iterator[Resources]:
    try:
        bridge = bridge_address()
    except LocalStackError as error:
        pytest.skip(str(error))
    if not has_image():
        pytest.skip(f"the Docker engine does not have {IMAGE}: run docker pull {IMAGE}")
    with emulator_only(bridge) as account:
        yield create_resources(account)


@pytest.mark.timeout(600)
def test_every_function_gives_the_expected_answer_in_lambdas_image(resources: Resources, tmp_path: Path) -> None:
    functions = Functions(resources.account, build(), tmp_path, resources.variables)
    called = set()
    for scenario in (*SHORT, announced):
        for check in scenario(resources, functions):
            assert not check.problem, check
            called.add(check.name)
    # The schedule of `reconcile` has no event of its own; `after` and `check` are called by e2e tests of the stack.
    assert called >= set(FUNCTIONS) - {"reconcile", "after", "check"}
