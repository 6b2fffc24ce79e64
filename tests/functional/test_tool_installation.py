"""Each tool has a virtual environment of its own, made once. The tool here is a wheel of one line: no index needed."""

from __future__ import annotations

import logging
import subprocess
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from penstock_local import tools
from penstock_local.errors import LocalStackError


def wheel(directory: Path, version: str) -> None:
    info = f"tiny-{version}.dist-info"
    with zipfile.ZipFile(directory / f"tiny-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr("tiny.py", f"version = {version!r}\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


def pin(root: Path, version: str) -> None:
    (root / "requirements" / "tiny.txt").write_text(f"--no-index\n--find-links {root}\ntiny\n")
    (root / "requirements" / "tiny.lock").write_text(f"tiny=={version}\n")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "requirements").mkdir()
    for version in ("1.0", "2.0"):
        wheel(tmp_path, version)
    pin(tmp_path, "1.0")
    return tmp_path


def installed(environment: Path) -> str:
    python = environment / "bin" / "python"
    asked = [str(python), "-c", "import tiny; print(tiny.version)"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


def installations(log: pytest.LogCaptureFixture) -> int:
    return sum(record.getMessage().startswith("Installing") for record in log.records)


@pytest.fixture(autouse=True)
def _log_everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "penstock_local.tools")


def test_a_tool_is_installed_at_the_locked_version_away_from_the_project(root: Path) -> None:
    environment = tools.ensure("tiny", root)
    assert environment == root / ".tools" / "tiny"
    assert installed(environment) == "1.0"


@pytest.mark.long
def test_it_is_installed_only_once(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert tools.ensure("tiny", root) == tools.ensure("tiny", root)
    assert installations(caplog) == 1


@pytest.mark.long
def test_of_two_that_ask_at_the_same_time_one_installs_and_the_other_waits(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with ThreadPoolExecutor(2) as pool:
        environments = set(pool.map(lambda _: tools.ensure("tiny", root), range(2)))
    assert len(environments) == 1
    assert installed(environments.pop()) == "1.0"
    assert installations(caplog) == 1


@pytest.mark.long
def test_a_changed_pin_makes_it_anew(root: Path) -> None:
    tools.ensure("tiny", root)
    pin(root, "2.0")
    assert installed(tools.ensure("tiny", root)) == "2.0"


@pytest.mark.long
def test_an_unfinished_environment_is_made_anew(root: Path) -> None:
    leftover = root / ".tools" / "tiny" / "bin"
    leftover.mkdir(parents=True)
    (leftover / "python").write_text("half a file")
    assert installed(tools.ensure("tiny", root)) == "1.0"


@pytest.mark.long
def test_an_installation_that_fails_says_what_pip_said_and_is_tried_again(root: Path) -> None:
    pin(root, "3.0")
    for _ in range(2):
        with pytest.raises(LocalStackError, match=r"(?s)tiny\.txt.*ERROR: .*tiny"):
            tools.ensure("tiny", root)
