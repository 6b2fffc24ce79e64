"""The command of a wheel that is installed in an empty environment."""

from __future__ import annotations

import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def pip(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "pip", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def installed_penstock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command, in an environment with only the requirements of the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
    venv.create(folder / "empty", with_pip=False, symlinks=True)
    python = folder / "empty" / "bin" / "python"
    pip("--python", str(python), "install", "--no-compile", f"{next(folder.glob('*.whl'))}[local]")
    return python.with_name("penstock")


class Command:
    """Runs the command in its own folder, with its own environment."""

    def __init__(self, path: Path, folder: Path, environment: Mapping[str, str]) -> None:
        self.path, self.folder = path, folder
        self.environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", **environment}

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run the command and return its output, including warnings and errors."""
        done = subprocess.run(
            [self.path, *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == code, (arguments, done.stdout)
        assert "Traceback" not in done.stdout
        return done.stdout
