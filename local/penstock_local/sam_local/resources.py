"""The buckets, tables and state machine of the template, as far as functions use them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from penstock_local.account import Account

SOURCE = "penstock-dev-source-123456789012-us-east-1"  # as the events have it
DESTINATION, WORK = "penstock-dev-destination", "penstock-dev-work"
JOBS, RECORDS, MACHINE = "penstock-dev-jobs", "penstock-dev-records", "penstock-dev-job"
ROUTES = """
[[route]]
name = "items"
match = ["items/*"]
destination = "dynamodb:{records_table}"

[[route]]
name = "decompress"
match = ["*.gz"]
destination = "s3://{destination_bucket}/{stem}"

[[route]]
name = "copy"
match = ["*.csv"]
destination = "s3://{destination_bucket}/{key}"
"""
# Small sizes, so that half a megabyte is cut: the state machine takes 100 kB, and a table's span ends after 256 KiB.
SIZES = {
    "PENSTOCK_LARGE_BYTES": "100000",
    "PENSTOCK_SPAN_BYTES": "262144",
    "PENSTOCK_INDEX_SPACING": "1048576",
    "PENSTOCK_MAP_CONCURRENCY": "2",
}
# The state machine only waits; this package invokes the steps.
WAITS = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 86_400, "End": True}}}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


@dataclass(frozen=True, slots=True)
class Resources:
    """The resources in an account; ``machine`` is the ARN of the state machine."""

    account: Account
    machine: str

    @property
    def variables(self) -> dict[str, str]:
        """The functions' environment."""
        return {
            "AWS_ENDPOINT_URL": self.account.endpoint,
            "PENSTOCK_SOURCE_BUCKET": SOURCE,
            "PENSTOCK_DESTINATION_BUCKET": DESTINATION,
            "PENSTOCK_WORK_BUCKET": WORK,
            "PENSTOCK_JOBS_TABLE": JOBS,
            "PENSTOCK_RECORDS_TABLE": RECORDS,
            "PENSTOCK_ROUTES_URI": f"s3://{WORK}/config/routes.toml",
            "PENSTOCK_STATE_MACHINE": self.machine,
            **SIZES,
        }

    def upload(self, key: str, body: bytes) -> dict[str, Any]:
        """Upload a new version of an object and return its HEAD."""
        s3 = self.account.client("s3")
        s3.put_object(Bucket=SOURCE, Key=key, Body=body)
        return dict(s3.head_object(Bucket=SOURCE, Key=key))

    def remove(self, key: str) -> None:
        """Delete the current version of an object permanently."""
        s3 = self.account.client("s3")
        s3.delete_object(Bucket=SOURCE, Key=key, VersionId=s3.head_object(Bucket=SOURCE, Key=key)["VersionId"])

    def result(self, key: str) -> bytes | None:
        """The content of an object in the destination bucket; None if it does not exist."""
        s3 = self.account.client("s3")
        if key not in [listed["Key"] for listed in s3.list_objects_v2(Bucket=DESTINATION).get("Contents", [])]:
            return None
        return bytes(s3.get_object(Bucket=DESTINATION, Key=key)["Body"].read())

    def open_uploads(self) -> list[str]:
        """Keys of uploads to the destination bucket that were neither completed nor aborted."""
        listed = self.account.client("s3").list_multipart_uploads(Bucket=DESTINATION)
        return [upload["Key"] for upload in listed.get("Uploads", [])]

    def records(self) -> list[tuple[str, str]]:
        """``id`` and ``text`` of all loaded items."""
        pages = self.account.client("dynamodb").get_paginator("scan").paginate(TableName=RECORDS)
        return [(item["id"]["S"], item["text"]["S"]) for page in pages for item in page["Items"]]

    def state(self, job: str) -> str:
        """The state of a job in the jobs table."""
        key = {"pk": {"S": f"job#{job}"}}
        return str(self.account.client("dynamodb").get_item(TableName=JOBS, Key=key)["Item"]["state"]["S"])

    def execution_input(self, job: str) -> dict[str, Any]:
        """The input of the execution that `ingest` started for a job."""
        execution = f"{self.machine.replace(':stateMachine:', ':execution:')}:{job}"
        described = self.account.client("stepfunctions").describe_execution(executionArn=execution)
        return dict(json.loads(described["input"]))

    def items(self, job: str, manifest: str) -> list[Any]:
        """The items of a Map of the state machine."""
        body = self.account.client("s3").get_object(Bucket=WORK, Key=f"jobs/{job}/{manifest}")["Body"].read()
        return [json.loads(line) for line in body.splitlines()]


def create_resources(account: Account) -> Resources:
    """Create the resources in an empty account."""
    s3, dynamodb = account.client("s3"), account.client("dynamodb")
    for bucket in (SOURCE, DESTINATION, WORK):
        s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=SOURCE, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=WORK, Key="config/routes.toml", Body=ROUTES.encode())
    for table, key in ((JOBS, "pk"), (RECORDS, "id")):
        dynamodb.create_table(
            TableName=table,
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
    iam, states = account.client("iam"), account.client("stepfunctions")
    role = iam.create_role(RoleName=MACHINE, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]
    created = states.create_state_machine(name=MACHINE, definition=json.dumps(WAITS), roleArn=role["Arn"])
    return Resources(account, created["stateMachineArn"])
