"""Creates separate virtual environments for tools whose pins conflict with the project's.

    .tools/sam        aws-sam-cli, which pins botocore exactly
    .tools/ministack  MiniStack, which pins another botocore
    .tools/audit      pip-audit and checkov, with a hundred dependencies; created by `make audit` only
    .tools/localstack LocalStack, half a gigabyte; created by `make contract-localstack` only. It needs cbor2 below 5.8,
                      cryptography below 45, pyOpenSSL and service-identity below 25, and does not declare that
    .tools/release    build and CycloneDX; created by `make release` only
    .tools/cdk        the AWS CDK; created by `make verify` only, which synthesises deploy/cdk

``python -m penstock_local.tools sam ministack`` creates environments in advance. Otherwise the first use creates them.
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
from penstock_local.sources import cache_folder, deployable

logger = logging.getLogger(__name__)

TOOLS = ("sam", "ministack")
ON_DEMAND = ("audit", "localstack", "release", "cdk")


def sam_command() -> list[str]:
    """The command of the SAM CLI."""
    return [str(ensure("sam") / "bin" / "sam")]


def ministack_python() -> Path:
    """The interpreter that can import MiniStack."""
    return ensure("ministack") / "bin" / "python"


def ensure(tool: str, root: Path | None = None) -> Path:
    """The virtual environment of a tool. It is created if it is missing, or if its pins or the interpreter changed.

    Pins come from ``requirements/TOOL.txt`` and ``TOOL.lock`` (every dependency). Of processes that call this at the
    same time, all wait for the first. Raises LocalStackError with pip's output if the tool cannot be installed.
    """
    environment = (root / ".tools" if root else cache_folder()) / tool
    root = root or deployable()
    requirements, lock = root / "requirements" / f"{tool}.txt", root / "requirements" / f"{tool}.lock"
    wanted = _pins_digest(requirements, lock)
    if _stamp(environment) == wanted:
        return environment
    environment.parent.mkdir(parents=True, exist_ok=True)
    with (environment.parent / f"{tool}.lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if _stamp(environment) != wanted:
            logger.info("Installing %s into %s (once)", tool, _shown(environment, root))
            _create(environment, requirements, lock)
            _stamp_file(environment).write_text(wanted)
    return environment


def _shown(folder: Path, root: Path) -> Path:
    """Return a path as a message shows it: relative to ``root`` if it is below it."""
    return folder.relative_to(root) if folder.is_relative_to(root) else folder


def _create(environment: Path, requirements: Path, lock: Path) -> None:
    shutil.rmtree(environment, ignore_errors=True)
    # The pip of this interpreter installs into the new environment, because installing another pip takes seconds.
    venv.create(environment, with_pip=False, symlinks=True)
    install = ["install", "--quiet", "--no-input", "--no-compile", "-r", str(requirements), "-c", str(lock)]
    pip = [sys.executable, "-m", "pip", "--python", str(environment / "bin" / "python")]
    done = subprocess.run([*pip, *install], capture_output=True, text=True, check=False)  # noqa: S603  # fixed arguments
    if done.returncode:
        raise LocalStackError(
            f"pip could not install {requirements.name}:\n{done.stderr.strip() or done.stdout.strip()}",
            hint="Check that pip reaches its package index, then run `make setup` again.",
        )


def _pins_digest(*files: Path) -> str:
    """A digest of the pins and of the interpreter that the environment depends on."""
    digest = hashlib.sha256(f"{sys.version} {sys.base_prefix}".encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _stamp_file(environment: Path) -> Path:
    """The file that is written last: an environment without it is unfinished."""
    return environment / "made-from"


def _stamp(environment: Path) -> str:
    try:
        return _stamp_file(environment).read_text()
    except FileNotFoundError:
        return ""


def main(tools: list[str]) -> None:
    """Create these environments in parallel."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with ThreadPoolExecutor(len(tools) or 1) as pool:
        try:
            list(pool.map(ensure, tools))
        except LocalStackError as error:
            sys.exit(f"{error}\n{error.hint}")


if __name__ == "__main__":
    main(sys.argv[1:] or list(TOOLS))
