"""Runs the lines that a remedy prints, as a shell and the AWS CLI would, against the local stack."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from botocore import xform_name
from click.testing import CliRunner

from penstock_cli.main import main
from penstock_local.account import Account

SERVICES = {"s3api": "s3"}
# Options that the AWS CLI names in its own way.
RENAMED = {"notification-endpoint": "endpoint"}


def commands_of(remedy: str) -> list[str]:
    """The lines of a remedy that are commands of a shell, or statements for the administrator of the database."""
    return [line for line in remedy.splitlines() if line.startswith(("aws ", "penstock ", "GRANT "))]


def run(account: Account, line: str, home: Path) -> None:
    """Run a command. Raises an error of botocore, or AssertionError if penstock fails.

    What penstock keeps for its user is in ``home``.
    """
    if line.startswith("penstock "):
        done = CliRunner().invoke(main, shlex.split(line)[1:], env={**account.environment, "XDG_DATA_HOME": str(home)})
        assert done.exit_code == 0, done.output
        return
    _, service, operation, *options = shlex.split(line)
    client = account.client(SERVICES.get(service, service))
    method = operation.replace("-", "_")
    shape = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[method]).input_shape
    members = {xform_name(name).replace("_", "-"): (name, member) for name, member in shape.members.items()}
    getattr(client, method)(**dict(_parameters(options, members)))


def _parameters(options: list[str], members: dict[str, tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    words = iter(options)
    for word in words:
        assert word.startswith("--"), f"{word} is no option"
        option = word.removeprefix("--")
        name, shape = members[RENAMED.get(option, option)]
        if shape.type_name == "boolean":
            yield name, True
            continue
        value = next(words)
        match shape.type_name:
            case "string":
                yield name, value
            case "integer" | "long":
                yield name, int(value)
            case "double" | "float":
                yield name, float(value)
            case _:
                yield name, json.loads(value)
