"""The servers that all runs share, and what each has of its own there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from faults.sources import ROUTES
from penstock_local import postgres
from penstock_local.account import Account, emulator_only

SOURCE, RESULTS, WORK = "drops", "results", "work"
# Its executions are played by the suite; that they were started is all that the emulator keeps.
DEFINITION = '{"StartAt": "Played", "States": {"Played": {"Type": "Succeed"}}}'
TRUST = (
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", '
    '"Principal": {"Service": "states.amazonaws.com"}}]}'
)
PAYING = {"BillingMode": "PAY_PER_REQUEST"}


@dataclass(frozen=True)
class World:
    """The emulator, the database, and calm clients of both. ``routes`` is the path of the routes."""

    account: Account
    dsn: str
    routes: str
    queue: str
    state_machine: str
    clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """A client that nothing happens to."""
        return self.clients[service]

    def place(self, name: str) -> Place:
        """What a run has of its own."""
        return Place(self, name)


@contextmanager
def world() -> Iterator[World]:
    """Both servers, for as long as the block runs."""
    with ExitStack() as stack:
        account = stack.enter_context(emulator_only())
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="penstock-faults-")))
        dsn = stack.enter_context(postgres.running(folder / "postgres"))
        routes = folder / "routes.toml"
        routes.write_text(ROUTES)
        clients = {name: account.client(name) for name in ("s3", "dynamodb", "sqs", "stepfunctions", "iam")}
        for client in clients.values():
            stack.callback(client.close)
        for bucket in (SOURCE, RESULTS, WORK):
            clients["s3"].create_bucket(Bucket=bucket)
        for bucket in (SOURCE, RESULTS):
            clients["s3"].put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        clients["sqs"].create_queue(QueueName="ingest")
        role = clients["iam"].create_role(RoleName="machine", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
        machine = clients["stepfunctions"].create_state_machine(name="jobs", definition=DEFINITION, roleArn=role)
        queue = "arn:aws:sqs:us-east-1:000000000000:ingest"
        yield World(account, dsn, str(routes), queue, machine["stateMachineArn"], clients)


@dataclass(frozen=True)
class Place:
    """Keys, tables and a schema of one run, all under its name."""

    world: World
    name: str

    def __enter__(self) -> Place:
        dynamodb = self.world.client("dynamodb")
        for table, key in ((self.jobs, "pk"), (self.records, "id")):
            dynamodb.create_table(
                TableName=table,
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
                KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
                **PAYING,
            )
        self.execute(f"CREATE SCHEMA {self.schema}")
        return self

    def __exit__(self, *_: object) -> None:
        for table in (self.jobs, self.records):
            self.world.client("dynamodb").delete_table(TableName=table)
        self.execute(f"DROP SCHEMA {self.schema} CASCADE")
        s3 = self.world.client("s3")
        for bucket in (SOURCE, RESULTS, WORK):
            for version in self.versions(bucket):
                s3.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])

    @property
    def jobs(self) -> str:
        return f"jobs-{self.name}"

    @property
    def records(self) -> str:
        return f"records-{self.name}"

    @property
    def schema(self) -> str:
        return f"run_{self.name.replace('-', '_')}"

    @property
    def dsn(self) -> str:
        return make_conninfo(self.world.dsn, options=f"-csearch_path={self.schema}")

    def environment(self, endpoint: str, dsn: str, settings: Mapping[str, int]) -> dict[str, str]:
        """What a function finds in its environment, as the template has it but for the sizes."""
        return {
            **self.world.account.isolated(os.environ),
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "PENSTOCK_JOBS_TABLE": self.jobs,
            "PENSTOCK_SOURCE_BUCKET": SOURCE,
            "PENSTOCK_DESTINATION_BUCKET": RESULTS,
            "PENSTOCK_WORK_BUCKET": WORK,
            "PENSTOCK_ROUTES_URI": self.world.routes,
            "PENSTOCK_RECORDS_TABLE": self.records,
            "PENSTOCK_POSTGRES_DSN": dsn,
            "PENSTOCK_STATE_MACHINE": self.world.state_machine,
            **{name: str(value) for name, value in settings.items()},
        }

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        """What a statement answers; it is committed."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def tables(self) -> set[str]:
        """All tables of the run's schema."""
        return {name for (name,) in self.execute(f"SELECT tablename FROM pg_tables WHERE schemaname = '{self.schema}'")}

    def items(self, table: str) -> list[dict[str, Any]]:
        """All items of a DynamoDB table."""
        pages = self.world.client("dynamodb").get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        return [item for page in pages for item in page["Items"]]

    def versions(self, bucket: str) -> list[dict[str, Any]]:
        """Every version of the run's objects, delete markers included."""
        pages = (
            self.world.client("s3")
            .get_paginator("list_object_versions")
            .paginate(Bucket=bucket, Prefix=f"{self.name}/")
        )
        return [one for page in pages for kind in ("Versions", "DeleteMarkers") for one in page.get(kind, ())]

    def uploads(self) -> list[dict[str, Any]]:
        """Uploads of results that are open."""
        pages = (
            self.world.client("s3")
            .get_paginator("list_multipart_uploads")
            .paginate(Bucket=RESULTS, Prefix=f"{self.name}/")
        )
        return [one for page in pages for one in page.get("Uploads", ())]
