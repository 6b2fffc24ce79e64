"""The servers that all runs share, and the resources of each run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from faults.after_kinds import DONE, QUARANTINE
from faults.lake import TABLE_BUCKET, RunTable
from faults.permissions import TABLE_BUCKET_CONDITIONS, Permission, Roles, make_roles
from faults.routes import ARCHIVE_PASSWORD, ARCHIVE_SECRET, routes_of
from faults.sources import PLAIN, SOURCE
from penstock.aws.jobs_table.open_jobs import DynamoOpenJobs
from penstock_local import postgres
from penstock_local.access import Decision, decisions
from penstock_local.account import Account, emulator_only

RESULTS, WORK, TOPIC = "results", "work", "ended-jobs"
# The suite runs the executions itself; the emulator only records that they were started.
DEFINITION = '{"StartAt": "Played", "States": {"Played": {"Type": "Succeed"}}}'
AT_S3, AT = "arn:aws:s3:::", "arn:aws:{}:us-east-1:000000000000:"
# The values of the template's references: each run has its own tables, queues and result bucket, so that its
# reconciler finds only its own jobs.
NAMES = {
    "SourceBucketNames": "*drops",
    "DestinationBucketNames": RESULTS + "-*",
    "WorkBucket.Arn": AT_S3 + WORK,
    "JobsTable.Arn": AT.format("dynamodb") + "table/jobs-*",
    "JobsTable.StreamArn": AT.format("dynamodb") + "table/jobs-*/stream/*",
    "RecordsTable.Arn": AT.format("dynamodb") + "table/records-*",
    "IngestQueue.Arn": AT.format("sqs") + "ingest-*",
    "DeadLetterQueue.Arn": AT.format("sqs") + "dead-*",
    "StateMachine": AT.format("states") + "stateMachine:faults-job",
    "ArchiveSecretArns": AT.format("secretsmanager") + f"secret:{ARCHIVE_SECRET}-*",
    "AbortFunction.Arn": AT.format("lambda") + "function:abort",
    "EventsTopicArn": AT.format("sns") + TOPIC,
    "AWS::StackName": "faults",
    "CommitQueue.Arn": AT.format("sqs") + "commit-*",
    "IcebergDatabases": "run_*",
}
TABLE_BUCKET_ARN = AT.format("s3tables") + f"bucket/{TABLE_BUCKET}"
# Added to the names of the roles of a stack whose catalog is a table bucket.
OF_TABLES = "-tables"
INGEST, DEAD, COMMIT = "ingest", "dead", "commit"
COMMIT_FUNCTION = "faults-commit"
# The functions that create and change tables by asking `commit`, and those that announce jobs to it.
ASKS_COMMIT, ANNOUNCES = ("ingest", "work"), ("ingest", "reconcile")
SERVICES = (
    "s3",
    "dynamodb",
    "dynamodbstreams",
    "events",
    "sqs",
    "sns",
    "stepfunctions",
    "iam",
    "sts",
    "secretsmanager",
    "glue",
    "s3tables",
)
ON_DEMAND = {"BillingMode": "PAY_PER_REQUEST"}
# As in the template's jobs table.
BY_TIME = {
    "IndexName": "by_time",
    "KeySchema": [
        {"AttributeName": "index_key", "KeyType": "HASH"},
        {"AttributeName": "index_time", "KeyType": "RANGE"},
    ],
    "Projection": {"ProjectionType": "KEYS_ONLY"},
}


@dataclass(frozen=True)
class Servers:
    """The emulator and the database, with clients that meet no faults. ``roles`` are the roles of the functions,
    ``table_roles`` those of a stack whose catalog is a table bucket."""

    account: Account
    dsn: str
    roles: Roles
    table_roles: Roles
    state_machine: str
    clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """A client that meets no faults."""
        return self.clients[service]

    @property
    def permissions(self) -> frozenset[Permission]:
        """What all roles may do. Those of the table bucket's stack differ by the rights to S3 Tables."""
        tables = (one for one in self.table_roles.permissions if one.action.startswith("s3tables:"))
        return self.roles.permissions.union(tables)

    def resources(self, name: str, without: Permission | None = None, *, table_bucket: bool = False) -> RunResources:
        """The resources of one run. ``table_bucket``: its Iceberg table is in S3 Tables."""
        return RunResources(self, name, without, table_bucket)


@contextmanager
def running_servers() -> Iterator[Servers]:
    """Run both servers until the block ends."""
    with ExitStack() as stack:
        account = stack.enter_context(emulator_only())
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="penstock-faults-")))
        dsn = stack.enter_context(postgres.running(folder / "postgres"))
        clients = {name: account.client(name) for name in SERVICES}
        for client in clients.values():
            stack.callback(client.close)
        for bucket in (SOURCE, PLAIN, WORK):
            clients["s3"].create_bucket(Bucket=bucket)
        _keep_versions(clients["s3"], SOURCE)
        clients["s3tables"].create_table_bucket(name=TABLE_BUCKET)
        secret = json.dumps({"password": ARCHIVE_PASSWORD})
        clients["secretsmanager"].create_secret(Name=ARCHIVE_SECRET, SecretString=secret)
        clients["sns"].create_topic(Name=TOPIC)
        roles = make_roles(clients["iam"], clients["sts"], NAMES)
        names = NAMES | {"IcebergCatalog": TABLE_BUCKET_ARN}
        table_roles = make_roles(clients["iam"], clients["sts"], names, TABLE_BUCKET_CONDITIONS, OF_TABLES)
        anyone = f"arn:aws:iam::000000000000:role/{roles.of_verb['ingest']}"
        clients["stepfunctions"].create_state_machine(name="faults-job", definition=DEFINITION, roleArn=anyone)
        yield Servers(account, dsn, roles, table_roles, NAMES["StateMachine"], clients)


def _keep_versions(s3: Any, bucket: str) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})


@dataclass(frozen=True)
class RunResources:
    """Keys, a bucket, queues, tables and a schema of one run, all under its name.

    Its functions lack the permission ``without``.
    """

    servers: Servers
    name: str
    without: Permission | None = None
    table_bucket: bool = False
    assumed: dict[str, dict[str, str]] = field(default_factory=dict)
    table: RunTable = field(init=False)

    def __post_init__(self) -> None:
        catalog = TABLE_BUCKET_ARN if self.table_bucket else "glue"
        table = RunTable(self.servers.account, catalog, self.schema, self.results)
        object.__setattr__(self, "table", table)

    def __enter__(self) -> RunResources:
        dynamodb = self.servers.client("dynamodb")
        dynamodb.create_table(
            TableName=self.jobs,
            AttributeDefinitions=[
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "index_key", "AttributeType": "S"},
                {"AttributeName": "index_time", "AttributeType": "N"},
            ],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            GlobalSecondaryIndexes=[BY_TIME],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
            **ON_DEMAND,
        )
        dynamodb.create_table(
            TableName=self.records,
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            **ON_DEMAND,
        )
        self.execute(f"CREATE SCHEMA {self.schema}")
        self.servers.client("s3").create_bucket(Bucket=self.results)
        _keep_versions(self.servers.client("s3"), self.results)
        routes = routes_of(self.schema).encode()
        self.servers.client("s3").put_object(Bucket=WORK, Key=self.routes_key, Body=routes)
        for queue in (INGEST, DEAD, COMMIT):
            name, seen = f"{queue}-{self.name}", {"VisibilityTimeout": "0"}
            self.servers.client("sqs").create_queue(QueueName=name, Attributes=seen)
        # As if the reconciler had swept before: it aborts no upload that is older than its first sweep.
        DynamoOpenJobs(dynamodb, self.jobs, retention_days=1).lock("uploads", 0.0)
        return self

    def __exit__(self, *_: object) -> None:
        for table in (self.jobs, self.records):
            self.servers.client("dynamodb").delete_table(TableName=table)
        self.execute(f"DROP SCHEMA {self.schema} CASCADE")
        s3 = self.servers.client("s3")
        for bucket in (SOURCE, PLAIN, self.results, WORK):
            for version in [*self.versions(bucket), *self.versions(bucket, DONE), *self.versions(bucket, QUARANTINE)]:
                s3.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])
        s3.delete_bucket(Bucket=self.results)
        s3.delete_object(Bucket=WORK, Key=self.routes_key)
        for queue in (INGEST, DEAD, COMMIT):
            self.servers.client("sqs").delete_queue(QueueUrl=self.queue_url(queue))

    @property
    def jobs(self) -> str:
        return f"jobs-{self.name}"

    @property
    def results(self) -> str:
        return f"{RESULTS}-{self.name}"

    @property
    def queue(self) -> str:
        """The ARN of the queue that S3 notifies."""
        return f"arn:aws:sqs:us-east-1:000000000000:{INGEST}-{self.name}"

    @property
    def commit_queue(self) -> str:
        """The ARN of the queue of the function `commit`."""
        return f"arn:aws:sqs:us-east-1:000000000000:{COMMIT}-{self.name}"

    @property
    def routes_key(self) -> str:
        return f"config/{self.name}.toml"

    @property
    def roles(self) -> Roles:
        """The roles of the run's functions."""
        return self.servers.table_roles if self.table_bucket else self.servers.roles

    @property
    def records(self) -> str:
        return f"records-{self.name}"

    @property
    def schema(self) -> str:
        return f"run_{self.name.replace('-', '_')}"

    @property
    def dsn(self) -> str:
        return make_conninfo(self.servers.dsn, options=f"-csearch_path={self.schema}")

    def environment(self, verb: str, endpoint: str, dsn: str, settings: Mapping[str, int]) -> dict[str, str]:
        """The environment of a function, as in the template except for the sizes."""
        return {
            **self.servers.account.isolated(os.environ),
            **self.credentials(verb),
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "PENSTOCK_JOBS_TABLE": self.jobs,
            "PENSTOCK_SOURCE_BUCKETS": f"{SOURCE},{PLAIN}",
            "PENSTOCK_AFTER_ACTIONS": "delete",
            "PENSTOCK_DESTINATION_BUCKETS": self.results,
            "PENSTOCK_WORK_BUCKET": WORK,
            "PENSTOCK_ROUTES_URI": f"s3://{WORK}/{self.routes_key}",
            "PENSTOCK_RECORDS_TABLE": self.records,
            "PENSTOCK_POSTGRES_DSN": dsn,
            "PENSTOCK_STATE_MACHINE": self.servers.state_machine,
            "PENSTOCK_QUEUE_URL": self.queue_url(INGEST),
            "PENSTOCK_DEAD_LETTER_QUEUE_URL": self.queue_url(DEAD),
            "PENSTOCK_ABORT_FUNCTION": "abort",
            "PENSTOCK_UPLOAD_ROLES": ",".join(self.roles.of_verb[verb] for verb in ("ingest", "plan", "work")),
            "PENSTOCK_ICEBERG_CATALOG": self.table.catalog,
            "PENSTOCK_COMMIT_FUNCTION": COMMIT_FUNCTION if verb in ASKS_COMMIT else "",
            "PENSTOCK_COMMIT_QUEUE_URL": self.queue_url(COMMIT) if verb in ANNOUNCES else "",
            "PENSTOCK_EVENTS_TOPIC": NAMES["EventsTopicArn"],
            **{name: str(value) for name, value in settings.items()},
        }

    def queue_url(self, name: str) -> str:
        return f"{self.servers.account.endpoint}/000000000000/{name}-{self.name}"

    def dead_letter(self, body: str) -> None:
        """Move a message to the dead-letter queue, as after its last delivery."""
        self.servers.client("sqs").send_message(QueueUrl=self.queue_url(DEAD), MessageBody=body)

    def waiting_messages(self) -> int:
        """The number of messages in both queues."""
        sqs, name = self.servers.client("sqs"), "ApproximateNumberOfMessages"
        urls = [self.queue_url(queue) for queue in (INGEST, DEAD, COMMIT)]
        found = [sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name] for url in urls]
        return sum(map(int, found))

    def take_messages(self, queue: str = INGEST) -> list[str]:
        """Receive and delete all messages of a queue; return their bodies."""
        sqs, url = self.servers.client("sqs"), self.queue_url(queue)
        bodies: list[str] = []
        while found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", ()):
            for message in found:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                bodies.append(message["Body"])
        return bodies

    def data_files(self) -> set[str]:
        """The URIs of the data files in the results bucket."""
        pages = self.servers.client("s3").get_paginator("list_objects_v2").paginate(Bucket=self.results)
        keys = (entry["Key"] for page in pages for entry in page.get("Contents", ()))
        return {f"s3://{self.results}/{key}" for key in keys if key.endswith(".parquet")}

    def unused_files(self) -> bool:
        """Whether the reconciler must still look for data files of a failed job."""
        items = self.items(self.jobs)
        return any(item["pk"]["S"].startswith("unused#") and "index_key" in item for item in items)

    def credentials(self, verb: str) -> dict[str, str]:
        """The credentials of a function's role; empty for a command, which uses the account's own."""
        if verb not in self.roles.of_verb:
            return {}
        if verb not in self.assumed:
            self.assumed[verb] = self.roles.credentials(verb, self.name, self.without)
        return self.assumed[verb]

    def decisions(self) -> list[Decision]:
        """The requests under roles that were allowed or refused."""
        return list(decisions(self.servers.account, self.name[-64:]))

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement, commit it, and return its rows."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def tables(self) -> set[str]:
        """All tables of the run's schema."""
        return {name for (name,) in self.execute(f"SELECT tablename FROM pg_tables WHERE schemaname = '{self.schema}'")}

    def items(self, table: str) -> list[dict[str, Any]]:
        """All items of a DynamoDB table."""
        pages = self.servers.client("dynamodb").get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        return [item for page in pages for item in page["Items"]]

    def writes(self) -> list[dict[str, Any]]:
        """The stream of the jobs table, as Lambda hands it to a function."""
        streams = self.servers.client("dynamodbstreams")
        (stream,) = streams.list_streams(TableName=self.jobs)["Streams"]
        found: list[dict[str, Any]] = []
        for shard in streams.describe_stream(StreamArn=stream["StreamArn"])["StreamDescription"]["Shards"]:
            after = streams.get_shard_iterator(
                StreamArn=stream["StreamArn"], ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            while after and (page := streams.get_records(ShardIterator=after)).get("Records"):
                found += [{"eventSource": "aws:dynamodb", "dynamodb": record["dynamodb"]} for record in page["Records"]]
                after = page.get("NextShardIterator")
        return found

    def versions(self, bucket: str, prefix: str = "") -> list[dict[str, Any]]:
        """Every version of the run's objects, delete markers included; of those that were moved to a prefix."""
        pages = (
            self.servers.client("s3")
            .get_paginator("list_object_versions")
            .paginate(Bucket=bucket, Prefix=f"{prefix}{self.name}/")
        )
        return [one for page in pages for kind in ("Versions", "DeleteMarkers") for one in page.get(kind, ())]

    def uploads(self) -> list[dict[str, Any]]:
        """The open uploads of the result bucket."""
        pages = self.servers.client("s3").get_paginator("list_multipart_uploads").paginate(Bucket=self.results)
        return [one for page in pages for one in page.get("Uploads", ())]
