"""The files that the local stack deploys: the repository's, or those that the wheel carries."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from penstock_local import sources
from penstock_local.deploy import INPUTS
from penstock_local.errors import LocalStackError
from penstock_local.tools import TOOLS

ROOT = sources.checkout()
LAYER = ROOT / "layers" / "penstock" / "penstock"


def carried() -> set[str]:
    """The files in hatch_build.py, which only a build can import."""
    for statement in ast.parse((ROOT / "hatch_build.py").read_text()).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "DEPLOYABLE":
            return set(ast.literal_eval(statement.value))
    raise AssertionError("hatch_build.py has no list DEPLOYABLE")


def installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that the packages lie in ``folder``, without a repository around them."""
    (folder / "penstock").mkdir(parents=True)
    (folder / "penstock" / "limits.py").write_text("MIB = 1 << 20\n")
    carried = folder / "penstock_local" / "deployable"
    carried.mkdir(parents=True)
    (carried / "template.yaml").write_text("Resources: {}\n")
    monkeypatch.setattr(sources, "_PACKAGE", folder / "penstock_local")
    monkeypatch.setattr(sources, "_CARRIED", carried)
    monkeypatch.setattr(sources, "_REPOSITORY", folder)


def test_the_repository_is_deployed_where_there_is_one() -> None:
    assert sources.deployable() == ROOT
    assert sources.cache_folder() == ROOT / ".tools"


def test_the_wheel_carries_every_file_that_a_deployment_reads() -> None:
    files = {
        path.relative_to(ROOT).as_posix()
        for name in INPUTS
        for path in [ROOT / name, *(ROOT / name).rglob("*")]
        if path.is_file() and "__pycache__" not in path.parts and LAYER not in path.parents
    }
    functions = {name for name in files if name.startswith("functions/") and name.endswith("/app.py")}
    pins = {f"requirements/{tool}.{kind}" for tool in TOOLS for kind in ("txt", "lock")}
    assert carried() == files - functions | pins


def test_a_wheel_is_laid_out_as_the_repository_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(tmp_path / "site", monkeypatch)
    folder = sources.deployable(tmp_path / "cache")
    assert (folder / "template.yaml").read_text() == "Resources: {}\n"
    assert (folder / "layers" / "penstock" / "penstock" / "limits.py").read_text() == "MIB = 1 << 20\n"
    (folder / "layers" / "penstock" / "requirements.txt").write_text("kept")
    assert sources.deployable(tmp_path / "cache") == folder
    assert (folder / "layers" / "penstock" / "requirements.txt").read_text() == "kept"
    assert [path.name for path in (tmp_path / "cache").glob("unfinished*")] == []


def test_a_wheel_without_its_files_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(tmp_path / "site", monkeypatch)
    monkeypatch.setattr(sources, "_CARRIED", tmp_path / "missing")
    with pytest.raises(LocalStackError) as caught:
        sources.deployable(tmp_path / "cache")
    assert "Install the wheel of penstock-aws again" in caught.value.hint


def test_a_command_for_the_repository_alone_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(tmp_path / "site", monkeypatch)
    with pytest.raises(LocalStackError, match="installed without one"):
        sources.checkout()
