"""The functions of the built template. Each invocation runs in its own container."""

from __future__ import annotations

import ipaddress
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock_local.account import Account
from penstock_local.deploy import ARCHITECTURE, RUNTIME
from penstock_local.errors import LocalStackError
from penstock_local.tools import sam_command

# The image in which sam runs a function of this runtime. sam pulls it if it is missing.
IMAGE = f"public.ecr.aws/lambda/python:{RUNTIME.removeprefix('python')}-{ARCHITECTURE}"
MEMORY = 128
NO_ENGINE = "Start Docker and run the command again. `make demo` does not need Docker."
INVOKE_TIMEOUT = 300.0  # seconds; usually 5, but the first invocation may pull the Lambda image


@dataclass(frozen=True, slots=True)
class Functions:
    """``variables`` are the functions' environment, ``directory`` is for scratch files."""

    account: Account
    template: Path
    directory: Path
    variables: Mapping[str, str]

    def invoke(self, name: str, event: object) -> Any:
        """The response of a function (ingest, plan, ...); ``{"errorType": ...}`` if it fails, for which sam exits 0.

        Raises LocalStackError if the response is not JSON.
        """
        (self.directory / "variables.json").write_text(json.dumps({"Parameters": dict(self.variables)}))
        (self.directory / "event.json").write_text(json.dumps(event))
        values = [f"Runtime={RUNTIME}", f"Architecture={ARCHITECTURE}", f"MemorySize={MEMORY}", "Timeout=60"]
        options = ["--template-file", str(self.template), "--env-vars", "variables.json", "--event", "event.json"]
        options += ["--skip-pull-image", "--parameter-overrides", *values]
        done = subprocess.run(  # noqa: S603  # the pinned SAM CLI
            [*sam_command(), "local", "invoke", f"{name.title()}Function", *options],
            env=self.account.isolated(os.environ) | {"SAM_CLI_TELEMETRY": "0", "NO_PROXY": "*", "no_proxy": "*"},
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=INVOKE_TIMEOUT,
        )
        try:
            return json.loads(done.stdout)
        except ValueError as error:
            raise LocalStackError(f"sam local invoke returned {done.stdout!r}, not JSON:\n{done.stderr}") from error


def bridge_address() -> str:
    """The address at which containers reach this machine. Raises LocalStackError if no Docker engine answers."""
    try:
        inspected = _docker("network", "inspect", "bridge")
    except FileNotFoundError as error:
        raise LocalStackError("the `docker` command was not found", hint=NO_ENGINE) from error
    if inspected.returncode:
        raise LocalStackError(f"the Docker engine does not answer: {inspected.stderr.strip()}", hint=NO_ENGINE)
    configs = json.loads(inspected.stdout)[0]["IPAM"]["Config"]
    network = next(config for config in configs if ":" not in config["Subnet"])
    return str(network.get("Gateway") or ipaddress.ip_network(network["Subnet"])[1])


def has_image() -> bool:
    """Whether the Docker engine has Lambda's image. The engine must be running."""
    return not _docker("image", "inspect", IMAGE).returncode


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["docker", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # the user's docker
