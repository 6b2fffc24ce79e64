"""The short form of `make sam-local`: each function once, in Lambda's image, where a Docker engine has it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock_local.account import emulator_only
from penstock_local.deploy import build
from penstock_local.errors import LocalStackError
from penstock_local.sam_local.executions import SHORT
from penstock_local.sam_local.functions import IMAGE, Functions, bridge_address, has_image
from penstock_local.sam_local.site import Site, furnish
from penstock_local.stack import FUNCTIONS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs a Docker bridge to this machine")


@pytest.fixture
def site() -> Iterator[Site]:
    try:
        bridge = bridge_address()
    except LocalStackError as error:
        pytest.skip(str(error))
    if not has_image():
        pytest.skip(f"the Docker engine has no {IMAGE}: docker pull it")
    with emulator_only(bridge) as account:
        yield furnish(account)


@pytest.mark.timeout(600)
def test_every_function_answers_right_in_lambdas_image(site: Site, tmp_path: Path) -> None:
    functions = Functions(site.account, build(), tmp_path, site.variables)
    called = set()
    for job_report in SHORT:
        for one in job_report(site, functions):
            assert not one.problem, one
            called.add(one.name)
    assert called >= set(FUNCTIONS)
