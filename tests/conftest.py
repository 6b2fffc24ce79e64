"""Settings of all tests: no test sees the machine's AWS configuration, and no test depends on random examples.

Property tests use the same examples in every run. `make fuzz` uses random ones (``--hypothesis-profile=drawn``). An
example that failed is kept as an explicit ``@example``.

`make test` runs the short form. `make verify` also runs tests with the mark ``long``.
"""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Generator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from lengths import IS_LONG, examples

ROOT = Path(__file__).parents[1]

settings.register_profile(
    "same",
    max_examples=examples(100),
    derandomize=True,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("drawn", settings.get_profile("same"), max_examples=100, derandomize=False)
settings.load_profile("same")

# Groups that take minutes, and folders in order of the time that a test takes.
LONGEST = ("stack", "rights", "doctor", "steps-tables", "faults", "test_s3_faults", "deployed-jobs")
FOLDERS = ("e2e", "functional", "contract", "template", "unit")
# The most bytes of a parameter that are shown in the name of a test.
LONG = 200


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--localstack", action="store_true", help="also run the contracts on LocalStack")


def pytest_configure() -> None:
    """Restore SIGINT, which tests send: a shell that starts pytest in the background ignores it for all children."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect no garbage meanwhile, and do not look through modules and items for garbage later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The short form skips tests with the mark ``long``, unless they are named on the command line.

    All tests of a module run in one process, so that its servers start once. The longest tests start first.
    """
    if not IS_LONG and not any("::" in argument for argument in config.args):
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("long")])
        items[:] = [item for item in items if not item.get_closest_marker("long")]
    groups = {item: _group(item) for item in items}
    for item, group in groups.items():
        if not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: (_rank_of_group(groups[item]), _rank_of_folder(item.path)))


def _group(item: pytest.Item) -> str:
    marker = item.get_closest_marker("xdist_group")
    return str(marker.args[0]) if marker else item.path.stem


def _rank_of_group(name: str) -> int:
    return LONGEST.index(name) if name in LONGEST else len(LONGEST)


@cache
def _rank_of_folder(path: Path) -> int:
    folder = path.relative_to(ROOT / "tests").parts[0]
    return FOLDERS.index(folder) if folder in FOLDERS else len(FOLDERS)


@pytest.fixture(autouse=True)
def _no_aws_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    for name in [name for name in os.environ if name.startswith(("AWS_", "PENSTOCK_"))]:
        monkeypatch.delenv(name)
    missing = tmp_path_factory.getbasetemp() / "no-aws-config"
    monkeypatch.setenv("AWS_CONFIG_FILE", str(missing))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(missing))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """No names from long contents: each worker creates them, and they may differ (a workbook contains the time)."""
    return argname if isinstance(val, bytes) and len(val) > LONG else None
