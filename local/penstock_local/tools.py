"""Tools whose pins clash with the project's live in virtual environments of their own, made once.

    .tools/sam        aws-sam-cli, which pins botocore exactly
    .tools/ministack  MiniStack, which pins another botocore
    .tools/audit      pip-audit and checkov, which bring a hundred packages along: made by `make audit` alone
    .tools/localstack LocalStack, half a gigabyte: made by `make contract-localstack` alone. It works with cbor2 below
                      5.8, cryptography below 45, pyOpenSSL and service-identity below 25, which it does not say

``python -m penstock_local.tools sam ministack`` makes them ahead of time; whoever needs one makes it on first use.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import shutil
import subprocess
import sys
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from penstock_local.errors import LocalStackError

logger = logging.getLogger(__name__)

TOOLS = ("sam", "ministack")
ON_DEMAND = ("audit", "localstack")


def checkout() -> Path:
    """The repository that this package runs from. Raises LocalStackError when it was installed without one."""
    root = Path(__file__).resolve().parents[2]
    if not (root / "template.yaml").is_file():
        raise LocalStackError(
            "the local stack deploys a checkout of Penstock, and this command was installed without one",
            hint="Clone the repository, and run `make local` there.",
        )
    return root


def sam_command() -> list[str]:
    """How to call the SAM CLI."""
    return [str(ensure("sam") / "bin" / "sam")]


def ministack_python() -> Path:
    """The interpreter that can import MiniStack."""
    return ensure("ministack") / "bin" / "python"


def ensure(tool: str, root: Path | None = None) -> Path:
    """The virtual environment of a tool, made if it is missing or if its pins or the interpreter have changed.

    Pins come from ``requirements/TOOL.txt`` and ``TOOL.lock`` (every dependency). Processes that ask at the same
    time wait for the first. Raises LocalStackError with pip's own words when it cannot be installed.
    """
    root = root or checkout()
    environment = root / ".tools" / tool
    requirements, lock = root / "requirements" / f"{tool}.txt", root / "requirements" / f"{tool}.lock"
    wanted = _digest(requirements, lock)
    if _stamp(environment) == wanted:
        return environment
    environment.parent.mkdir(exist_ok=True)
    with (environment.parent / f"{tool}.lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if _stamp(environment) != wanted:
            logger.info("Installing %s into %s (once)", tool, environment.relative_to(root))
            _make(environment, requirements, lock)
            _stamp_file(environment).write_text(wanted)
    return environment


def _make(environment: Path, requirements: Path, lock: Path) -> None:
    shutil.rmtree(environment, ignore_errors=True)
    # This interpreter's pip installs into the new environment: putting another pip there would take seconds.
    venv.create(environment, with_pip=False, symlinks=True)
    install = ["install", "--quiet", "--no-input", "--no-compile", "-r", str(requirements), "-c", str(lock)]
    pip = [sys.executable, "-m", "pip", "--python", str(environment / "bin" / "python")]
    done = subprocess.run([*pip, *install], capture_output=True, text=True, check=False)  # noqa: S603  # fixed arguments
    if done.returncode:
        raise LocalStackError(
            f"pip could not install {requirements.name}:\n{done.stderr.strip() or done.stdout.strip()}",
            hint="Check that this machine's pip reaches its package index, then run `make setup` again.",
        )


def _digest(*files: Path) -> str:
    """Of the pins and of the interpreter that the environment is tied to."""
    digest = hashlib.sha256(f"{sys.version} {sys.base_prefix}".encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _stamp_file(environment: Path) -> Path:
    """Written last: an environment without it is unfinished."""
    return environment / "made-from"


def _stamp(environment: Path) -> str:
    try:
        return _stamp_file(environment).read_text()
    except FileNotFoundError:
        return ""


def main(tools: list[str]) -> None:
    """Make these environments, side by side."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with ThreadPoolExecutor(len(tools) or 1) as pool:
        try:
            list(pool.map(ensure, tools))
        except LocalStackError as error:
            sys.exit(f"{error}\n{error.hint}")


if __name__ == "__main__":
    main(sys.argv[1:] or list(TOOLS))
