"""MiniStack as a child process: an AWS account on loopback. IAM is enforced; known differences from AWS are patched."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import boto3
from botocore.config import Config

from penstock_local import process


@dataclass(frozen=True, slots=True)
class Account:
    """An emulated AWS account. The credentials are those of its root user; a deployed function uses those of its role.

    ``access_log`` is the file of allowed and refused requests under roles (see `access`).
    """

    endpoint: str
    region: str = process.REGION
    access_key_id: str = "test"
    secret_access_key: str = "test"  # noqa: S105  # MiniStack's well-known root user, on loopback
    access_log: str = ""

    def client(self, service: str) -> Any:
        """A boto3 client of a service, with as many connections as a Lambda function may open."""
        return boto3.client(  # type: ignore[call-overload]  # the service is not a literal
            service,
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            config=Config(proxies={}, max_pool_connections=32),
        )

    @property
    def port(self) -> int:
        return int(self.endpoint.rpartition(":")[2])

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables with which an AWS client uses this account."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_DEFAULT_REGION": self.region,
        }

    def isolated(self, environment: Mapping[str, str]) -> dict[str, str]:
        """An environment in which AWS clients use this account and none of the machine's AWS configuration."""
        return {
            **{name: value for name, value in environment.items() if not name.startswith("AWS_")},
            **self.environment,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": process.HOST,
            "no_proxy": process.HOST,
        }


@contextmanager
def emulator_only(host: str = process.HOST) -> Iterator[Account]:
    """An empty account while the block runs. Nothing is deployed; it starts in about half a second."""
    with TemporaryDirectory(prefix="penstock-") as directory, process.guard() as guard_fd:
        state_dir = Path(directory)
        port = process.start(state_dir, host=host, guard_fd=guard_fd)
        try:
            yield Account(endpoint=f"http://{host}:{port}", access_log=str(process.access_log(state_dir)))
        finally:
            process.stop(state_dir)
