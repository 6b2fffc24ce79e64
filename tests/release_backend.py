"""The account and the database of a deployment, and its functions.

This module uses no code of Penstock: it invokes the handlers of functions, and settings are environment variables.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

from penstock_local.account import Account, emulator_only

ROOT = Path(__file__).parents[1]
CHILD = Path(__file__).with_name("function_process.py")

DROPS, LAKE, WORK = BUCKETS = ("drops", "lake", "work")
TABLES = ("jobs", "records")
ROUTES = "routes.toml"
# The jobs table of template.yaml, copied from there and not from the code.
JOBS_SCHEMA: Mapping[str, Any] = {
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "AttributeDefinitions": [
        {"AttributeName": name, "AttributeType": kind}
        for name, kind in (("pk", "S"), ("index_key", "S"), ("index_time", "N"))
    ],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "by_time",
            "KeySchema": [
                {"AttributeName": "index_key", "KeyType": "HASH"},
                {"AttributeName": "index_time", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
    ],
}
RECORDS_SCHEMA: Mapping[str, Any] = {
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
}
# An execution that runs longer than a test. Tests call the steps themselves.
WAITING = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 86_400, "End": True}}}


class KilledError(Exception):
    """The process of a function was killed."""


class FunctionError(Exception):
    """An exception that a function raised."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name
        self.message = message


@dataclass
class Functions:
    """The functions, in a separate process, and the requests that they have sent."""

    environment: Mapping[str, str]
    die_at: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    _process: subprocess.Popen[str] | None = None

    def __call__(self, verb: str, event: object = None, **more: object) -> Any:
        if self._process is None:
            command = [sys.executable, str(CHILD), str(ROOT / "functions"), *([self.die_at] if self.die_at else [])]
            self._process = subprocess.Popen(
                command,
                env=dict(self.environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"verb": verb, "event": event, **more}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            self.close()
            raise KilledError(verb)
        answer = json.loads(line)
        self.requests += answer["requests"]
        if "error" in answer:
            raise FunctionError(answer["error"], answer["message"])
        return answer["answer"]

    def sent(self, operation: str) -> list[dict[str, Any]]:
        return [request for request in self.requests if request["operation"] == operation]

    def close(self) -> None:
        if self._process:
            assert self._process.stdin
            assert self._process.stdout
            self._process.stdin.close()
            self._process.wait(30)
            self._process.stdout.close()
            self._process = None


@dataclass
class Deployment:
    """Three buckets, the tables and a state machine in an account, and optionally a database."""

    account: Account
    clients: Mapping[str, Any]
    machine: str
    dsn: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in self.account.isolated(os.environ).items() if "PENSTOCK_" not in name},
            "POWERTOOLS_SERVICE_NAME": "penstock",
            "POWERTOOLS_METRICS_NAMESPACE": "Penstock",
            "POWERTOOLS_TRACE_DISABLED": "true",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "PENSTOCK_JOBS_TABLE": "jobs",
            "PENSTOCK_RECORDS_TABLE": "records",
            "PENSTOCK_SOURCE_BUCKET": DROPS,
            "PENSTOCK_DESTINATION_BUCKET": LAKE,
            "PENSTOCK_WORK_BUCKET": WORK,
            "PENSTOCK_ROUTES_URI": f"s3://{WORK}/{ROUTES}",
            "PENSTOCK_STATE_MACHINE": self.machine,
            "PENSTOCK_POSTGRES_DSN": self.dsn,
            "PENSTOCK_MAP_CONCURRENCY": "2",
            # Samples must not expire as jobs do.
            "PENSTOCK_JOB_RETENTION_DAYS": "36500",
            **self.settings,
        }

    @contextmanager
    def functions(self, die_at: str = "") -> Iterator[Functions]:
        functions = Functions(self.environment, die_at)
        try:
            yield functions
        finally:
            functions.close()

    @property
    def s3(self) -> Any:
        return self.clients["s3"]

    def put(self, bucket: str, key: str, data: bytes, **more: Any) -> None:
        self.s3.put_object(Bucket=bucket, Key=key, Body=data, **more)

    def read(self, bucket: str, key: str) -> bytes | None:
        if key not in self.keys(bucket):
            return None
        data: bytes = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return data

    def keys(self, bucket: str) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [found["Key"] for page in pages for found in page.get("Contents", ())]

    def open_uploads(self) -> list[str]:
        return [
            upload["Key"]
            for bucket in BUCKETS
            for upload in self.s3.list_multipart_uploads(Bucket=bucket).get("Uploads", ())
        ]

    def event(self, key: str, sequencer: str = "0A01") -> dict[str, Any]:
        """The notification of an existing source."""
        head = self.s3.head_object(Bucket=DROPS, Key=key)
        entity = {"key": key, "size": head["ContentLength"], "eTag": head["ETag"].strip('"'), "sequencer": sequencer}
        record = {
            "eventVersion": "2.3",
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "eventTime": "2026-11-01T00:00:00.000Z",
            "s3": {"bucket": {"name": DROPS}, "object": entity},
        }
        return {"Records": [record]}

    def items(self, table: str) -> list[dict[str, Any]]:
        pages = self.clients["dynamodb"].get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        found = [item for page in pages for item in page["Items"]]
        return sorted(found, key=lambda item: json.dumps(item, sort_keys=True))

    def item(self, key: str) -> dict[str, Any]:
        """An item of the jobs table."""
        found = self.clients["dynamodb"].get_item(TableName="jobs", Key={"pk": {"S": key}}, ConsistentRead=True)
        return dict(found.get("Item", {}))

    def change(self, table: str, item: Mapping[str, Any]) -> None:
        self.clients["dynamodb"].put_item(TableName=table, Item=item)

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def started(self) -> list[dict[str, str]]:
        """Name and input of the started executions."""
        states = self.clients["stepfunctions"]
        found = states.list_executions(stateMachineArn=self.machine)["executions"]
        described = [states.describe_execution(executionArn=listed["executionArn"]) for listed in found]
        started = [{"name": execution["name"], "input": execution["input"]} for execution in described]
        return sorted(started, key=lambda execution: execution["name"])


_numbers = count(1)


@contextmanager
def deployment(
    dsn: str = "", settings: Mapping[str, str] | None = None, *, account: Account | None = None
) -> Iterator[Deployment]:
    """An empty deployment while the block runs, in ``account`` or in a new account."""
    with nullcontext(account) if account else emulator_only() as used:
        assert used
        clients = {service: used.client(service) for service in ("s3", "dynamodb", "stepfunctions")}
        for bucket in BUCKETS:
            clients["s3"].create_bucket(Bucket=bucket)
        for table, schema in zip(TABLES, (JOBS_SCHEMA, RECORDS_SCHEMA), strict=True):
            clients["dynamodb"].create_table(TableName=table, BillingMode="PAY_PER_REQUEST", **schema)
        name = f"job-{next(_numbers)}"
        machine = clients["stepfunctions"].create_state_machine(
            name=name, definition=json.dumps(WAITING), roleArn=_role(used, name)
        )["stateMachineArn"]
        deployed = Deployment(used, clients, machine, dsn, settings or {})
        try:
            yield deployed
        finally:
            if account:
                _remove(deployed)


def _role(account: Account, name: str) -> str:
    """The ARN of a role that a state machine may assume."""
    trusted = {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [trusted]})
    created = account.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=policy)
    return str(created["Role"]["Arn"])


def _remove(deployed: Deployment) -> None:
    for bucket in BUCKETS:
        for upload in deployed.s3.list_multipart_uploads(Bucket=bucket).get("Uploads", ()):
            deployed.s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        for key in deployed.keys(bucket):
            deployed.s3.delete_object(Bucket=bucket, Key=key)
        deployed.s3.delete_bucket(Bucket=bucket)
    for table in TABLES:
        deployed.clients["dynamodb"].delete_table(TableName=table)


# The steps of the state machine, in the order of statemachine/job.asl.json.


def items_of(deployed: Deployment, answer: Mapping[str, Any]) -> list[Any]:
    """The items that a Map state reads."""
    data = deployed.read(answer["manifest"]["bucket"], answer["manifest"]["key"])
    assert data
    return [json.loads(line) for line in data.splitlines()]


def planned(deployed: Deployment, call: Functions, job: Mapping[str, Any]) -> dict[str, Any]:
    """Index or survey the source, and return the final plan."""
    while (answer := call("plan", job))["next"] in ("index", "survey"):
        if answer["next"] == "survey":
            for piece in items_of(deployed, answer):
                call("index", {**job, "piece": piece})
        else:
            while not call("index", job)["done"]:
                pass
    found: dict[str, Any] = answer
    return found


def work(call: Functions, job: Mapping[str, Any], answer: Mapping[str, Any], spans: Sequence[Any]) -> None:
    for span in spans:
        call("work", {**job, "round": answer["round"], "span": span})


def run(deployed: Deployment, call: Functions, job: Mapping[str, Any]) -> str:
    """Run an execution from its current step to its end, and return the next step that `finish` names."""
    answer = planned(deployed, call, job)
    if answer["next"] == "sequence":
        while not call("work", {**job, "span": None})["done"]:
            pass
    else:
        work(call, job, answer, items_of(deployed, answer))
    return str(call("finish", {**job, "round": answer["round"]})["next"])
