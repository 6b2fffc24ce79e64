"""Builds and deploys the template with the SAM CLI: the same two commands as for a real account."""

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
import zipfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from penstock_local.account import Account
from penstock_local.errors import LocalStackError
from penstock_local.sources import deployable
from penstock_local.tools import sam_command

logger = logging.getLogger(__name__)

STACK_NAME = "penstock-local"
ARTIFACTS = "penstock-local-artifacts"
RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"  # functions run on this interpreter
ARCHITECTURE = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
INPUTS = ("template.yaml", "deploy/operations.yaml", "functions", "layers", "statemachine")
KEPT_BUILDS = 3
# Beside the built template: the same, with layers as zips.
ZIPPED = "zipped.yaml"
POLL_SECONDS = "0.2"  # how often sam polls CloudFormation; the default of five seconds suits AWS


def build(runtime: str = RUNTIME, architecture: str = ARCHITECTURE) -> Path:
    """Run `sam build`, unless the same inputs were built before, and return the built template.

    Raises LocalStackError with the output of the SAM CLI, or if `make` is missing, which it calls.
    """
    if not shutil.which("make"):
        raise LocalStackError("`sam build` needs make, which is not installed", hint="Install make.")
    root = deployable()
    builds = root / ".penstock" / "build"
    done = builds / _digest(root, f"{runtime} {architecture}") / "build"
    with _build_lock(builds):
        if not done.exists():
            logger.info("Building the template (sam build)")
            unfinished = builds / "making"
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            environment = {
                **os.environ,
                "SAM_CLI_TELEMETRY": "0",
                "PENSTOCK_RUNTIME": runtime,
                "PENSTOCK_ARCHITECTURE": architecture,
                "PENSTOCK_PYTHON": sys.executable,
            }
            options = ["--template-file", str(root / "template.yaml"), "--build-dir", str(unfinished / "build")]
            values = {"Runtime": runtime, "Architecture": architecture}
            _sam("build", [*options, *_overrides(values)], environment, cwd=unfinished, log=builds / "build.log")
            _zip_layers(unfinished / "build")
            unfinished.rename(done.parent)
        done.parent.touch()
        for old in sorted(builds.glob("*/"), key=lambda path: path.stat().st_mtime)[:-KEPT_BUILDS]:
            shutil.rmtree(old)
    return done / "template.yaml"


def check_parameters(names: Collection[str]) -> None:
    """Raise LocalStackError for a parameter that the template does not have."""
    template = (deployable() / "template.yaml").read_text()
    section = re.search(r"^Parameters:\n(.*?)^\S", template, re.MULTILINE | re.DOTALL)
    known = re.findall(r"^  (\w+):", section[1], re.MULTILINE) if section else []
    for name in names:
        if name not in known:
            matches = get_close_matches(name, known, 1)
            guess = f"Did you mean {matches[0]}? " if matches else ""
            raise LocalStackError(
                f"the template has no parameter {name}", hint=f"{guess}It has {', '.join(sorted(known))}."
            )


def deploy(account: Account, template: Path, parameters: Mapping[str, str], state_dir: Path) -> dict[str, str]:
    """Create or update the stack from a built template with these parameter values, and return its outputs."""
    logger.info("Deploying the template to %s (sam deploy)", account.endpoint)
    s3 = account.client("s3")
    s3.create_bucket(Bucket=ARTIFACTS)
    environment = {
        **account.isolated(os.environ),
        "SAM_CLI_TELEMETRY": "0",
        "SAM_CLI_POLL_DELAY": POLL_SECONDS,
    }
    zipped = template.with_name(ZIPPED)  # a release has none: its layers are zips
    options = ["--template-file", str(zipped if zipped.exists() else template)]
    options += ["--stack-name", STACK_NAME, "--s3-bucket", ARTIFACTS]
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


def _zip_layers(built: Path) -> None:
    """Zip the layers of a build, and write a template that names the zips. Else each `sam deploy` zips them again."""
    text = (built / "template.yaml").read_text()
    for layer in re.findall(r"^ +ContentUri: (\w+)$", text, re.MULTILINE):
        with zipfile.ZipFile(built / f"{layer}.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for file in sorted((built / layer).rglob("*")):
                archive.write(file, file.relative_to(built / layer))
    (built / ZIPPED).write_text(re.sub(r"^( +ContentUri: \w+)$", r"\1.zip", text, flags=re.MULTILINE))


def _overrides(parameters: Mapping[str, str]) -> list[str]:
    values: dict[str, Any] = {"Runtime": RUNTIME, "Architecture": ARCHITECTURE, **parameters}
    return ["--parameter-overrides", *(f"{name}={value}" for name, value in values.items())]


def _sam(verb: str, options: list[str], environment: Mapping[str, str], *, cwd: Path, log: Path) -> None:
    """Run the SAM CLI. An interrupt also ends the SAM CLI, and the pip and make processes that it starts."""
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
        raise LocalStackError(f"sam {verb} failed:\n{last}", hint=f"The full output is in {log}.")


def _digest(root: Path, target: str) -> str:
    """A digest of everything that a build depends on, paths included."""
    digest = hashlib.sha256(target.encode())
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
def _build_lock(directory: Path) -> Iterator[None]:
    """Hold a lock, so that stacks that start at the same time build once."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
