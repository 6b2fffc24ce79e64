"""A stack for the doctor's tests: each case breaks one thing of it, and repairs it by the remedy that is printed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

import aws_commands
from penstock.aws.access import Access
from penstock.wiring.doctor import Finding, examine_stack
from penstock_local.deploy import STACK_NAME
from penstock_local.stack import Stack

ACCOUNT, REGION = "000000000000", "us-east-1"
DROPS, ARCHIVES, LOADER = "doctor-drops", "archives/doctor", "doctor_loader"
ALARMS = f"arn:aws:sns:{REGION}:{ACCOUNT}:doctor-alarms"
ROUTES = f"""
[[route]]
name = "orders"
match = ["orders/*"]
destination = "postgresql:orders"
[route.table]
columns = [{{ name = "id", type = "integer" }}, {{ name = "name" }}]

[[route]]
name = "items"
match = ["items/*"]
destination = "dynamodb:{{records_table}}"
[route.table]
columns = [{{ name = "id" }}]
key = ["id"]

[[route]]
name = "archives"
match = ["*.zip"]
archive = "members"
password_secret = "{ARCHIVES}"

[[route]]
name = "decompress"
match = ["*.gz"]
destination = "s3://{{destination_bucket}}/{{stem}}"
"""
PARAMETERS = {
    "MemorySize": "512",
    "MaximumConcurrency": "2",
    "MapConcurrency": "2",
    "SourceBucketNames": DROPS,
    "AlarmTopicArn": ALARMS,
    "ArchiveSecretArns": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{ARCHIVES}-*",
}


@dataclass(frozen=True)
class Plant:
    """``names`` maps logical ids of the stack to physical ones; ``admin`` is the DSN of the owner of the database, and
    ``home`` a folder of the user."""

    stack: Stack
    names: Mapping[str, str]
    admin: str
    home: Path

    def client(self, service: str) -> Any:
        return self.stack.client(service)

    def examine(self, *groups: str, access: Access | None = None) -> list[Finding]:
        """The findings of these groups; of all without a name."""
        stack = self.stack
        own = access or Access("", stack.region, stack.endpoint, stack.access_key_id, stack.secret_access_key)
        return [one for _, findings in examine_stack(own, STACK_NAME, groups) for one in findings]

    def run(self, command: str) -> None:
        """Run a line of a remedy, as an administrator."""
        if command.startswith("GRANT "):
            self.sql(command)
        else:
            aws_commands.run(self.stack, command, self.home)

    def sql(self, statement: str) -> None:
        with psycopg.connect(self.admin, autocommit=True) as connection:
            connection.execute(statement.encode())

    def routes(self) -> tuple[str, str]:
        """Bucket and key of the routes."""
        described = self.client("cloudformation").describe_stacks(StackName=STACK_NAME)["Stacks"][0]
        (uri,) = [one["ParameterValue"] for one in described["Parameters"] if one["ParameterKey"] == "RoutesUri"]
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        return bucket, key

    def write_routes(self, text: str) -> None:
        bucket, key = self.routes()
        self.client("s3").put_object(Bucket=bucket, Key=key, Body=text.encode())

    def settle(self) -> None:
        """Wait until Lambda has applied a change to a function."""
        client = self.client("lambda")
        names = [f"{STACK_NAME}-{verb}" for verb in ("plan", "index", "work")]
        await_true(
            lambda: {client.get_function_configuration(FunctionName=name)["State"] for name in names} == {"Active"}
        )

    def mapping(self) -> str:
        return self.names["IngestFunctionUploads"]

    def role_policy(self, role: str, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client("iam").get_role_policy(RoleName=self.names[role], PolicyName=name)
        return dict(found["PolicyDocument"])

    def put_role_policy(self, role: str, name: str, document: Mapping[str, Any]) -> None:
        self.client("iam").put_role_policy(
            RoleName=self.names[role], PolicyName=name, PolicyDocument=json.dumps(document)
        )


def await_true(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until a condition holds. Raises AssertionError if it does not."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


Change = Callable[[Plant], None]
