"""Runs `penstock connect` against an account of the emulator."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from penstock_cli.main import main
from penstock_local.account import Account


@dataclass(frozen=True)
class Command:
    """Runs the command. Its record files are below ``data``; ``environment`` has the credentials of another user."""

    account: Account
    data: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str) -> Result:
        environment = {
            **self.account.isolated(os.environ),
            "XDG_DATA_HOME": str(self.data),
            **self.environment,
        }
        return CliRunner(env=environment).invoke(main, ["connect", *arguments])

    def json(self, *arguments: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self(*arguments, "--json").stdout)
        return answer


def levels(answer: dict[str, Any]) -> dict[str, str]:
    """The level of the last finding of each check."""
    return {finding["check"]: finding["level"] for finding in answer["findings"]}


def finding(answer: dict[str, Any], check: str) -> dict[str, Any]:
    """The last finding of a check."""
    found: dict[str, Any] = [one for one in answer["findings"] if one["check"] == check][-1]
    return found


def notifications(account: Account, bucket: str) -> dict[str, Any]:
    """The notification configuration that S3 has."""
    found = account.client("s3").get_bucket_notification_configuration(Bucket=bucket)
    del found["ResponseMetadata"]
    return dict(found)
