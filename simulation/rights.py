"""Which right a request needs, and which role of template.yaml has it.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html, and those of the other services
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from faults.permissions import PSEUDO_PARAMETERS, TRUE_CONDITIONS, permissions_of, policies, verbs
from faults.template import Resolver, read_template

AT_S3, AT = "arn:aws:s3:::", "arn:aws:{}:us-east-1:000000000000:"
DROPS, PLAIN, RESULTS, WORK = "drops", "plain-drops", "results", "work"
JOBS, RECORDS = "jobs", "records"
MACHINE = AT.format("states") + "stateMachine:simulated-job"
# The values of the template's references.
NAMES: Mapping[str, str] = {
    "SourceBucketNames": "*drops",
    "DestinationBucketNames": RESULTS,
    "WorkBucket.Arn": AT_S3 + WORK,
    "JobsTable.Arn": AT.format("dynamodb") + f"table/{JOBS}",
    "JobsTable.StreamArn": AT.format("dynamodb") + f"table/{JOBS}/stream/*",
    "RecordsTable.Arn": AT.format("dynamodb") + f"table/{RECORDS}",
    "IngestQueue.Arn": AT.format("sqs") + "ingest",
    "DeadLetterQueue.Arn": AT.format("sqs") + "dead",
    "CommitQueue.Arn": AT.format("sqs") + "commits",
    "StateMachine": MACHINE,
    "StateMachine.Name": "job",
    "AbortFunction.Arn": AT.format("lambda") + "function:abort",
    "CommitFunction.Arn": AT.format("lambda") + "function:commit",
    "AWS::StackName": "simulated",
}
CONDITIONS = TRUE_CONDITIONS | {"UseIceberg"}

_S3 = {
    "put_object": "s3:PutObject",
    "create_multipart_upload": "s3:PutObject",
    "upload_part": "s3:PutObject",
    "complete_multipart_upload": "s3:PutObject",
    "abort_multipart_upload": "s3:AbortMultipartUpload",
    "list_parts": "s3:ListMultipartUploadParts",
}
_OF_VERSION = {
    "head_object": ("s3:GetObject", "s3:GetObjectVersion"),
    "get_object": ("s3:GetObject", "s3:GetObjectVersion"),
    "delete_object": ("s3:DeleteObject", "s3:DeleteObjectVersion"),
    "get_object_tagging": ("s3:GetObjectTagging", "s3:GetObjectVersionTagging"),
    "put_object_tagging": ("s3:PutObjectTagging", "s3:PutObjectVersionTagging"),
}
_OF_BUCKET = {
    "list_objects_v2": "s3:ListBucket",
    "list_object_versions": "s3:ListBucketVersions",
    "list_multipart_uploads": "s3:ListBucketMultipartUploads",
}
_DYNAMODB = {
    "get_item": "GetItem",
    "update_item": "UpdateItem",
    "query": "Query",
    "describe_table": "DescribeTable",
}
_SQS = {
    "send_message": "SendMessage",
    "receive_message": "ReceiveMessage",
    "delete_message": "DeleteMessage",
    "change_message_visibility": "ChangeMessageVisibility",
}
_OTHERS = {
    "start_execution": "states:StartExecution",
    "describe_execution": "states:DescribeExecution",
    "invoke": "lambda:InvokeFunction",
}


def needed(service: str, operation: str, request: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the actions of a request, with their resources."""
    match service:
        case "s3":
            yield from _of_s3(operation, request)
        case "dynamodb" | "items":
            yield from _of_dynamodb(operation, request)
        case "sqs":
            yield f"sqs:{_SQS[operation]}", AT.format("sqs") + str(request["QueueUrl"]).rpartition("/")[2]
        case "stepfunctions":
            resource = str(request.get("executionArn") or request["stateMachineArn"])
            yield _OTHERS[operation], resource
        case "lambda":
            yield _OTHERS[operation], AT.format("lambda") + f"function:{request['FunctionName']}"


def _of_s3(operation: str, request: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    bucket = AT_S3 + str(request["Bucket"])
    if operation in _OF_BUCKET:
        yield _OF_BUCKET[operation], bucket
        return
    key = f"{bucket}/{request['Key']}"
    if operation in _OF_VERSION:
        yield _OF_VERSION[operation]["VersionId" in request], key
        return
    yield _S3.get(operation, "s3:PutObject"), key
    if "IfMatch" in request and operation == "complete_multipart_upload":
        yield "s3:GetObject", key
    if source := request.get("CopySource"):
        action = "s3:GetObjectVersion" if source.get("VersionId") else "s3:GetObject"
        yield action, f"{AT_S3}{source['Bucket']}/{source['Key']}"
    if request.get("Tagging") and operation == "copy_object":
        yield "s3:PutObjectTagging", key


def _of_dynamodb(operation: str, request: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    table = AT.format("dynamodb") + "table/"
    if operation == "transact_write_items":
        yield "dynamodb:UpdateItem", table + request["TransactItems"][0]["Update"]["TableName"]
    elif operation in ("batch_write_item", "batch_get_item"):
        items = request["RequestItems"]
        name = items.table if hasattr(items, "table") else next(iter(items))
        yield f"dynamodb:{'BatchWriteItem' if operation == 'batch_write_item' else 'BatchGetItem'}", table + name
    else:
        index = f"/index/{request['IndexName']}" if "IndexName" in request else ""
        yield f"dynamodb:{_DYNAMODB[operation]}", f"{table}{request['TableName']}{index}"


@dataclass
class Rights:
    """The patterns of what each role may do, and what was refused. ``removed`` are rights that are taken away."""

    patterns: Mapping[str, tuple[tuple[re.Pattern[str], re.Pattern[str]], ...]]
    removed: frozenset[tuple[str, str, str]] = frozenset()
    refusals: list[str] = field(default_factory=list)
    known: dict[tuple[str, str, str], bool] = field(default_factory=dict)

    def allow(self, role: str, action: str, resource: str) -> bool:
        """Whether a role may perform an action on a resource."""
        key = role, action, resource
        if key not in self.known:
            granted = any(a.fullmatch(action) and r.fullmatch(resource) for a, r in self.patterns[role])
            self.known[key] = granted and not any(
                (role, action) == one[:2] and resource.startswith(one[2]) for one in self.removed
            )
        return self.known[key]


def rights(removed: frozenset[tuple[str, str, str]] = frozenset()) -> Rights:
    """Return the rights of the template's roles, without some: role, action, and what the resource begins with."""
    return Rights(_patterns(), removed)


@cache
def roles() -> Mapping[str, str]:
    """Return the role of each function."""
    resources = read_template()["Resources"]
    return {**verbs(resources), "commit": "CommitRole"}


@cache
def _patterns() -> Mapping[str, tuple[tuple[re.Pattern[str], re.Pattern[str]], ...]]:
    resources = read_template()["Resources"]
    logs = {name: "" for name, one in resources.items() if one["Type"] == "AWS::Logs::LogGroup"}
    resolver = Resolver({**PSEUDO_PARAMETERS, **{f"{name}.Arn": name for name in logs}, **NAMES}, CONDITIONS)
    found = {}
    for role in dict.fromkeys(roles().values()):
        permissions = permissions_of(role, policies(resources, role, resolver))
        found[role] = tuple((_pattern(one.action), _pattern(one.resource)) for one in permissions)
    return found


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)
