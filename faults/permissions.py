"""What each function's role may do, by template.yaml, and the credentials of a role."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from faults.template import Resolver, Resources, read_template

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
        {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}
PSEUDO_PARAMETERS = {"AWS::Partition": "aws", "AWS::Region": "us-east-1", "AWS::AccountId": "000000000000"}
# Permissions that no request of the suite uses on the emulator: AWS itself uses them under the role.
_LOGS = "Lambda writes logs in the name of the function's role; the emulator in its own"
_TRACES = "Lambda's X-Ray daemon sends what the tracer notes; the emulator has none"
_POLLER = "Lambda's poller takes and deletes messages in the name of the function's role"
_STREAM = "Lambda's poller reads the stream in the name of the function's role: tests/e2e/test_announce.py"
_TOPIC_KEY = "SNS uses the key of a topic in the name of whoever publishes; the emulator encrypts no topic"
_BURIED = "Lambda buries what failed asynchronously, in the name of the function's role"
_STREAM = "Lambda's poller reads the stream in the name of the function's role: tests/contract/test_emulator_streams.py"
UNTESTED: Mapping[tuple[str, str], str] = {
    ("*", "xray:PutTelemetryRecords"): _TRACES,
    ("*", "xray:PutTraceSegments"): _TRACES,
    ("*", "logs:CreateLogStream"): _LOGS,
    ("*", "logs:PutLogEvents"): _LOGS,
    ("IngestRole", "sqs:ReceiveMessage"): _POLLER,
    ("IngestRole", "sqs:DeleteMessage"): _POLLER,
    ("IngestRole", "sqs:GetQueueAttributes"): _POLLER,
    ("IngestRole", "sqs:SendMessage"): _BURIED,
    ("AbortRole", "sqs:SendMessage"): _BURIED,
    ("CommitRole", "sqs:ReceiveMessage"): _POLLER,
    ("CommitRole", "sqs:DeleteMessage"): _POLLER,
    ("CommitRole", "sqs:GetQueueAttributes"): _POLLER,
    ("AfterRole", "dynamodb:DescribeStream"): _STREAM,
    ("AfterRole", "dynamodb:GetRecords"): _STREAM,
    ("AfterRole", "dynamodb:GetShardIterator"): _STREAM,
    ("AfterRole", "dynamodb:ListStreams"): _STREAM,
    ("AnnounceRole", "sqs:SendMessage"): _BURIED,
    ("AnnounceRole", "dynamodb:DescribeStream"): _STREAM,
    ("AnnounceRole", "dynamodb:GetRecords"): _STREAM,
    ("AnnounceRole", "dynamodb:GetShardIterator"): _STREAM,
    ("AnnounceRole", "dynamodb:ListStreams"): _STREAM,
    ("AnnounceRole", "kms:Decrypt"): _TOPIC_KEY,
    ("AnnounceRole", "kms:GenerateDataKey"): _TOPIC_KEY,
    ("PlanRole", "lambda:GetAccountSettings"): "`plan` asks for the quota; the emulator decides nothing on this action",
}

# Conditions of the template that hold for the suite. Its buckets are existing ones, of lists of names.
TRUE_CONDITIONS = frozenset(
    {
        "UseArchiveSecrets",
        "UseSourceBuckets",
        "UseDestinationBuckets",
        "UseEventsTopic",
        "HasDestinationBucket",
        "MayTagSources",
        "MayMoveSources",
        "UseIceberg",
        "UseIcebergRights",
        "UseCommitRights",
    }
)
# Those of the two catalogs that the suite has. Each has roles of its own, as two stacks would.
GLUE_CONDITIONS = TRUE_CONDITIONS | {"UseGlue", "DeleteTableFiles"}
TABLE_BUCKET_CONDITIONS = TRUE_CONDITIONS | {"UseTableBucket"}
# Permissions of stacks with a KMS key, a VPC or a database of their own, which the emulator does not have.
_VPC = "Lambda makes and removes the function's network interfaces in the name of its role"
CONDITIONAL: Mapping[str, str] = {
    "kms:Decrypt": "S3 and Lambda decrypt in the name of whoever reads, or fills a multipart upload",
    "kms:GenerateDataKey": "S3 encrypts in the name of whoever writes",
    "ec2:AssignPrivateIpAddresses": _VPC,
    "ec2:CreateNetworkInterface": _VPC,
    "ec2:DeleteNetworkInterface": _VPC,
    "ec2:DescribeNetworkInterfaces": _VPC,
    "ec2:DescribeSubnets": _VPC,
    "ec2:UnassignPrivateIpAddresses": _VPC,
    "rds-db:connect": "RDS checks it when a password made by IAM comes in",
    "secretsmanager:GetSecretValue": "that of a database: tests/contract/test_postgres_connect.py, without a role",
}


@dataclass(frozen=True, slots=True, order=True)
class Permission:
    """One action that a role may perform on resources that match a pattern."""

    role: str
    action: str
    resource: str

    @property
    def reason(self) -> str:
        """Why no request of the suite uses it; empty if one must."""
        return UNTESTED.get((self.role, self.action)) or UNTESTED.get(("*", self.action), "")

    def __str__(self) -> str:
        return f"{self.role} may {self.action} on {self.resource}"


def verbs(resources: Resources) -> Mapping[str, str]:
    """The role of each function of the suite, by the function's verb: ``{"ingest": "IngestRole", ...}``."""
    return {
        name.removesuffix("Function").lower(): resource["Properties"]["Role"]["Fn::GetAtt"][0]
        for name, resource in resources.items()
        if resource["Type"] == "AWS::Serverless::Function"
    }


def policies(resources: Resources, role: str, resolver: Resolver) -> list[dict[str, Any]]:
    """The policy documents of a role, including those that it shares with other roles."""
    properties = resources[role]["Properties"]
    own = [policy["PolicyDocument"] for policy in properties["Policies"]]
    shared = [one for one in properties.get("ManagedPolicyArns", ()) if _is_there(one, resolver)]
    names = [one["Ref"] if "Ref" in one else one["Fn::If"][1]["Ref"] for one in shared]
    return [
        resolver.resolve(one) for one in [*own, *(resources[name]["Properties"]["PolicyDocument"] for name in names)]
    ]


def _is_there(shared: Mapping[str, Any], resolver: Resolver) -> bool:
    return "Ref" in shared or shared["Fn::If"][0] in resolver.true_conditions


def permissions_of(role: str, documents: list[dict[str, Any]]) -> Iterator[Permission]:
    """Each permission of a role."""
    for document in documents:
        for statement in document["Statement"]:
            for action in _as_list(statement["Action"]):
                for resource in _as_list(statement["Resource"]):
                    yield Permission(role, action, resource)


@dataclass(frozen=True, slots=True)
class Roles:
    """The roles of all functions in an account; ``of_verb`` names each, ``permissions`` is what they may do."""

    sts: Any
    account_id: str
    of_verb: Mapping[str, str]
    permissions: frozenset[Permission]

    def credentials(self, verb: str, session: str, without: Permission | None = None) -> dict[str, str]:
        """The environment of a function under its role. ``without`` is a permission to remove.

        A session policy can only remove permissions, so the role itself stays unchanged.
        """
        role = self.of_verb[verb]
        policy = {"Policy": json.dumps(_deny_one(without))} if without and without.role == role else {}
        given = self.sts.assume_role(
            RoleArn=f"arn:aws:iam::{self.account_id}:role/{role}", RoleSessionName=session[-64:], **policy
        )["Credentials"]
        return {
            "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
            "AWS_SESSION_TOKEN": given["SessionToken"],
        }


def make_roles(
    iam: Any, sts: Any, names: Mapping[str, str], conditions: frozenset[str] = GLUE_CONDITIONS, suffix: str = ""
) -> Roles:
    """Create every function's role in an account, as in the template except for the names of resources. Only the
    ``conditions`` hold. ``suffix`` is added to the names of the roles."""
    resources: Resources = read_template()["Resources"]
    resolver = Resolver({**PSEUDO_PARAMETERS, **_log_groups(resources), **names}, conditions)
    of_verb = verbs(resources)
    permissions: list[Permission] = []
    for role in dict.fromkeys(of_verb.values()):  # `check` has the role of `ingest`
        documents = policies(resources, role, resolver)
        name = role + suffix
        permissions += permissions_of(name, documents)
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
        for number, document in enumerate(documents):
            iam.put_role_policy(RoleName=name, PolicyName=f"policy-{number}", PolicyDocument=json.dumps(document))
    of_verb = {verb: role + suffix for verb, role in of_verb.items()}
    return Roles(sts, PSEUDO_PARAMETERS["AWS::AccountId"], of_verb, frozenset(permissions))


def _log_groups(resources: Resources) -> dict[str, str]:
    groups = [name for name, resource in resources.items() if resource["Type"] == "AWS::Logs::LogGroup"]
    return {f"{name}.Arn": f"arn:aws:logs:us-east-1:000000000000:log-group:{name}:*" for name in groups}


def _deny_one(right: Permission) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "*", "Resource": "*"},
            {"Effect": "Deny", "Action": right.action, "Resource": right.resource},
        ],
    }


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
