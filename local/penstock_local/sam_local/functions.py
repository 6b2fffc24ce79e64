"""The functions of the built template, each call in a container of its own."""

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

# What sam runs a function of this runtime in; it pulls it where it is missing.
IMAGE = f"public.ecr.aws/lambda/python:{RUNTIME.removeprefix('python')}-{ARCHITECTURE}"
MEMORY = 128
NO_ENGINE = "Start one; `make demo` needs none."
INVOKING = 300.0  # seconds; five are the rule, and once as long as a pull of the Lambda image takes


@dataclass(frozen=True, slots=True)
class Functions:
    """``variables`` are the functions' environment, ``directory`` is for scratch files."""

    account: Account
    template: Path
    directory: Path
    variables: Mapping[str, str]

    def invoke(self, name: str, event: object) -> Any:
        """What a function (ingest, plan, ...) answers; ``{"errorType": ...}`` where it fails, for sam exits 0 then.

        Raises LocalStackError when it answers nothing.
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
            timeout=INVOKING,
        )
        try:
            return json.loads(done.stdout)
        except ValueError as error:
            raise LocalStackError(f"sam local invoke answered {done.stdout!r}:\n{done.stderr}") from error


def bridge_address() -> str:
    """The address under which containers see this machine. Raises LocalStackError where no Docker engine answers."""
    try:
        asked = _docker("network", "inspect", "bridge")
    except FileNotFoundError as error:
        raise LocalStackError("no Docker engine: there is no `docker` command", hint=NO_ENGINE) from error
    if asked.returncode:
        raise LocalStackError(f"no Docker engine answers: {asked.stderr.strip()}", hint=NO_ENGINE)
    network = next(one for one in json.loads(asked.stdout)[0]["IPAM"]["Config"] if ":" not in one["Subnet"])
    return str(network.get("Gateway") or ipaddress.ip_network(network["Subnet"])[1])


def has_image() -> bool:
    """Whether the engine has Lambda's image; it must answer."""
    return not _docker("image", "inspect", IMAGE).returncode


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["docker", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # whichever docker the user has
