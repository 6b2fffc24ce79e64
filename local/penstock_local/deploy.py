"""The template of this checkout, built and deployed by the SAM CLI: the same two commands that a real account gets."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from penstock_local.account import Account
from penstock_local.errors import LocalStackError
from penstock_local.tools import checkout, sam_command

logger = logging.getLogger(__name__)

STACK_NAME = "penstock-local"
ARTIFACTS = "penstock-local-artifacts"
RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"  # functions run on the interpreter at hand
ARCHITECTURE = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
INPUTS = ("template.yaml", "deploy", "functions", "layers", "statemachine")
KEPT_BUILDS = 3
POLL_SECONDS = "0.2"  # how often sam asks CloudFormation for news; its five seconds are for the real one


def build() -> Path:
    """The built template, made by `sam build` unless the same inputs were built before."""
    root = checkout()
    builds = root / ".penstock" / "build"
    done = builds / _digest(root) / "build"
    with _only_one(builds):
        if not done.exists():
            logger.info("Building the template (sam build)")
            making = builds / "making"
            shutil.rmtree(making, ignore_errors=True)
            making.mkdir()
            environment = {
                **os.environ,
                "SAM_CLI_TELEMETRY": "0",
                "PENSTOCK_RUNTIME": RUNTIME,
                "PENSTOCK_ARCHITECTURE": ARCHITECTURE,
                "PENSTOCK_PYTHON": sys.executable,
            }
            options = ["--template-file", str(root / "template.yaml"), "--build-dir", str(making / "build")]
            _sam("build", [*options, *_overrides({})], environment, cwd=making, log=builds / "build.log")
            making.rename(done.parent)
        done.parent.touch()
        for old in sorted(builds.glob("*/"), key=lambda path: path.stat().st_mtime)[:-KEPT_BUILDS]:
            shutil.rmtree(old)
    return done / "template.yaml"


def check_parameters(names: Collection[str]) -> None:
    """Raises LocalStackError for a parameter that the template has not got."""
    section = re.search(r"^Parameters:\n(.*?)^\S", (checkout() / "template.yaml").read_text(), re.MULTILINE | re.DOTALL)
    known = re.findall(r"^  (\w+):", section[1], re.MULTILINE) if section else []
    for name in names:
        if name not in known:
            meant = get_close_matches(name, known, 1)
            guess = f"Did you mean {meant[0]}? " if meant else ""
            raise LocalStackError(
                f"the template has no parameter {name}", hint=f"{guess}It has {', '.join(sorted(known))}."
            )


def deploy(account: Account, template: Path, parameters: Mapping[str, str], state_dir: Path) -> dict[str, str]:
    """Deploy a built template with these parameter values, anew or over itself, and return the stack's outputs."""
    logger.info("Deploying it to %s (sam deploy)", account.endpoint)
    s3 = account.client("s3")
    s3.create_bucket(Bucket=ARTIFACTS)
    environment = {
        **account.isolated(os.environ),
        "SAM_CLI_TELEMETRY": "0",
        "SAM_CLI_POLL_DELAY": POLL_SECONDS,
    }
    options = ["--template-file", str(template), "--stack-name", STACK_NAME, "--s3-bucket", ARTIFACTS]
    options += ["--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset", "--no-fail-on-empty-changeset"]
    _sam(
        "deploy",
        [*options, "--no-progressbar", *_overrides(parameters)],
        environment,
        cwd=state_dir,
        log=state_dir / "deploy.log",
    )
    described = account.client("cloudformation").describe_stacks(StackName=STACK_NAME)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}


def _overrides(parameters: Mapping[str, str]) -> list[str]:
    values: dict[str, Any] = {"Runtime": RUNTIME, "Architecture": ARCHITECTURE, **parameters}
    return ["--parameter-overrides", *(f"{name}={value}" for name, value in values.items())]


def _sam(verb: str, options: list[str], environment: Mapping[str, str], *, cwd: Path, log: Path) -> None:
    """Run the SAM CLI. Whatever interrupts us ends it too, with the pip and the make that it calls."""
    with (
        log.open("wb") as output,
        subprocess.Popen(  # noqa: S603  # the pinned SAM CLI
            [*sam_command(), verb, *options],
            env=environment,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        ) as sam,
    ):
        try:
            code = sam.wait()
        except BaseException:
            os.killpg(sam.pid, signal.SIGKILL)
            raise
    if code:
        last = "\n".join(log.read_text(errors="replace").strip().splitlines()[-8:])
        raise LocalStackError(f"sam {verb} failed:\n{last}", hint=f"All it said is in {log}.")


def _digest(root: Path) -> str:
    """Of everything that a build depends on, the paths included."""
    digest = hashlib.sha256(f"{RUNTIME} {ARCHITECTURE}".encode())
    files = (file for name in INPUTS for file in _files(root / name))
    for file in files:
        digest.update(f"{file.relative_to(root)}\0{file.stat().st_size}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    for file in sorted(path.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            yield file


@contextmanager
def _only_one(directory: Path) -> Iterator[None]:
    """Stacks that start at once build once."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
