"""Least privilege in the template: no wildcards, one role per function, conditions where the service has them.

tests/functional/test_rights.py verifies that each permission is used and that none is missing: it runs every path of a
job under these roles.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from faults.permissions import CONDITIONAL, GLUE_CONDITIONS, TABLE_BUCKET_CONDITIONS
from faults.template import read_template

from deployed_template import deployed

Resources = dict[str, dict[str, Any]]
Statement = dict[str, Any]

GRANTING_TYPES = {"AWS::IAM::Role", "AWS::IAM::ManagedPolicy", "AWS::IAM::Policy"}
TYPES = {name: resource["Type"] for name, resource in read_template()["Resources"].items()}
GRANTING = [name for name, kind in TYPES.items() if kind in GRANTING_TYPES]
FUNCTION_ROLES = [name for name in GRANTING if TYPES[name] == "AWS::IAM::Role" and name != "StateMachineRole"]
WITHOUT_RESOURCES = {
    "PlanRole": {"AskForTheQuota"},
    "FunctionPolicy": {"JoinVpc", "Trace"},
    "StateMachineRole": {"Log", "Trace"},
}
# These roles do not connect to a database.
WITHOUT_DATABASE = {"AfterRole", "AnnounceRole", "IndexRole", "ReconcileRole"}
# These also commit to Iceberg tables.
COMMITTING = {"CommitRole", "FinishRole", "PlanRole"}
# What the parameters of Iceberg allow.
ON_ICEBERG = {
    ("AnnounceToCommit", "UseIceberg"),
    ("AskForTables", "UseIceberg"),
    ("ReadGlueTables", "UseGlue"),
    ("CreateGlueTables", "UseGlue"),
    ("FindGlueDatabase", "UseGlue"),
    ("ChangeGlueTables", "UseGlue"),
    ("FindTableBucket", "UseTableBucket"),
    ("ReadTables", "UseTableBucket"),
    ("CreateTables", "UseTableBucket"),
    ("ChangeTables", "UseTableBucket"),
    ("WriteTableData", "UseTableBucket"),
    ("ReadCatalogSecret", "UseIcebergSecret"),
    ("ReadTableMetadata", "DeleteTableFiles"),
    ("DeleteRefusedMetadata", "DeleteTableFiles"),
    ("DeleteDataFiles", "DeleteTableFiles"),
}
# The actions on destination buckets, which a stack without buckets of its own may not have.
ON_DESTINATIONS = {
    "s3:AbortMultipartUpload",
    "s3:GetObject",
    "s3:ListBucket",
    "s3:ListBucketMultipartUploads",
    "s3:ListMultipartUploadParts",
    "s3:PutObject",
}

# What AfterActions allows on source buckets.
ON_SOURCES = {
    "MayTagSources": {
        "s3:GetObjectTagging",
        "s3:GetObjectVersionTagging",
        "s3:PutObjectTagging",
        "s3:PutObjectVersionTagging",
    },
    "MayMoveSources": {
        "s3:AbortMultipartUpload",
        "s3:DeleteObject",
        "s3:DeleteObjectVersion",
        "s3:ListBucketVersions",
        "s3:ListMultipartUploadParts",
        "s3:PutObject",
    },
}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements_of(granting: dict[str, Any]) -> Iterator[Statement]:
    """The statements of a managed policy, or of all inline policies of a role, including conditional ones."""
    properties = granting["Properties"]
    documents = [policy["PolicyDocument"] for policy in properties.get("Policies", [properties])]
    for document in documents:
        for statement in document["Statement"]:
            yield statement["Fn::If"][1] if "Fn::If" in statement else statement


@pytest.mark.parametrize("granting", GRANTING)
class TestEveryRoleAndPolicy:
    def test_grants_nothing_twice(self, resources: Resources, granting: str) -> None:
        rights = [
            (action, str(resource))
            for statement in statements_of(resources[granting])
            for action in as_list(statement["Action"])
            for resource in as_list(statement["Resource"])
        ]
        assert len(set(rights)) == len(rights)
        names = [statement["Sid"] for statement in statements_of(resources[granting])]
        assert len(set(names)) == len(names)

    def test_has_no_wildcard_among_its_actions(self, resources: Resources, granting: str) -> None:
        actions = [
            action for statement in statements_of(resources[granting]) for action in as_list(statement["Action"])
        ]
        assert not [action for action in actions if "*" in action]

    def test_allows_all_resources_only_for_actions_without_resources(self, resources: Resources, granting: str) -> None:
        everywhere = [
            statement for statement in statements_of(resources[granting]) if "*" in as_list(statement["Resource"])
        ]
        assert {statement["Sid"] for statement in everywhere} == WITHOUT_RESOURCES.get(granting, set())

    def test_only_allows(self, resources: Resources, granting: str) -> None:
        for statement in statements_of(resources[granting]):
            assert statement["Effect"] == "Allow"
            assert not {"NotAction", "NotResource", "NotPrincipal"} & set(statement)


@pytest.mark.parametrize("role", FUNCTION_ROLES)
def test_only_lambda_of_this_account_may_assume_the_role_of_a_function(resources: Resources, role: str) -> None:
    assert resources[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}},
        }
    ]


def test_only_step_functions_of_this_account_may_assume_the_role_of_the_state_machine(resources: Resources) -> None:
    assert resources["StateMachineRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "states.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}},
        }
    ]
    assert "ManagedPolicyArns" not in resources["StateMachineRole"]["Properties"]


@pytest.mark.parametrize("role", FUNCTION_ROLES)
def test_a_function_writes_only_to_its_own_log_group(resources: Resources, role: str) -> None:
    logging = [statement for statement in statements_of(resources[role]) if "logs:" in str(statement["Action"])]
    assert [statement["Resource"] for statement in logging] == [
        {"Fn::GetAtt": [f"{role.removesuffix('Role')}LogGroup", "Arn"]}
    ]


@pytest.mark.parametrize("role", FUNCTION_ROLES)
def test_a_function_shares_only_policies_of_this_template(resources: Resources, role: str) -> None:
    optional = {"UseDatabaseRights": "DatabasePolicy", "UseIcebergRights": "IcebergReadPolicy"}
    if role in COMMITTING:
        optional["UseCommitRights"] = "IcebergCommitPolicy"
    if role in WITHOUT_DATABASE:
        optional = {}
    assert resources[role]["Properties"]["ManagedPolicyArns"] == [
        {"Ref": "FunctionPolicy"},
        *({"Fn::If": [condition, {"Ref": policy}, {"Ref": "AWS::NoValue"}]} for condition, policy in optional.items()),
    ]


def test_every_function_has_its_own_role_and_no_other_roles_exist(resources: Resources) -> None:
    functions = {name: one for name, one in resources.items() if one["Type"] == "AWS::Serverless::Function"}
    # `check` tries what `ingest` may do.
    assert functions.pop("CheckFunction")["Properties"]["Role"] == {"Fn::GetAtt": ["IngestRole", "Arn"]}
    used = [function["Properties"]["Role"]["Fn::GetAtt"][0] for function in functions.values()]
    assert sorted(used) == sorted(FUNCTION_ROLES)
    assert resources["StateMachine"]["Properties"]["Role"] == {"Fn::GetAtt": ["StateMachineRole", "Arn"]}


def test_check_sees_what_ingest_sees_and_nothing_calls_it(resources: Resources) -> None:
    check, ingest = (resources[name]["Properties"] for name in ("CheckFunction", "IngestFunction"))
    assert "Events" not in check
    for name in ("VpcConfig", "Layers", "LoggingConfig", "KmsKeyArn"):
        assert check[name] == ingest[name]
    assert check["Environment"]["Variables"].items() <= ingest["Environment"]["Variables"].items()


def test_sam_adds_no_policy(resources: Resources) -> None:
    """With ``Role``, SAM creates no role and ignores ``Policies`` silently."""
    for resource in resources.values():
        if resource["Type"] in {"AWS::Serverless::Function", "AWS::Serverless::StateMachine"}:
            assert "Policies" not in resource["Properties"]


def test_permissions_of_optional_features_are_granted_only_with_the_feature(
    template: dict[str, Any], resources: Resources
) -> None:
    conditional = [
        statement["Fn::If"]
        for name in GRANTING
        for policy in resources[name]["Properties"].get("Policies", [resources[name]["Properties"]])
        for statement in policy["PolicyDocument"]["Statement"]
        if "Fn::If" in statement
    ]
    on_destinations = [then for condition, then, _ in conditional if condition == "HasDestinationBucket"]
    assert {action for then in on_destinations for action in as_list(then["Action"])} == ON_DESTINATIONS
    on_sources = [(then, condition) for condition, then, _ in conditional if condition in ON_SOURCES]
    for then, condition in on_sources:
        assert set(as_list(then["Action"])) <= ON_SOURCES[condition]
    assert {action for then, _ in on_sources for action in as_list(then["Action"])} == set().union(*ON_SOURCES.values())
    conditional = [one for one in conditional if one[0] not in {"HasDestinationBucket", *ON_SOURCES}]
    assert {(then["Sid"], condition) for condition, then, _ in conditional} == {
        ("UseKey", "UseKmsKey"),
        ("UseBucketKeys", "UseBucketKeys"),
        ("ReadArchiveSecrets", "UseArchiveSecrets"),
        ("ReadDatabaseSecret", "UsePostgresSecret"),
        ("BecomeDatabaseUser", "UsePostgresIam"),
        ("JoinVpc", "UseVpc"),
        ("Publish", "UseEventsTopic"),
        ("EncryptMessages", "UseEventsTopic"),
    } | ON_ICEBERG
    assert all(otherwise == {"Ref": "AWS::NoValue"} for _, _, otherwise in conditional)
    untested = [
        then for condition, then, _ in conditional if condition not in GLUE_CONDITIONS | TABLE_BUCKET_CONDITIONS
    ]
    assert {action for then in untested for action in as_list(then["Action"])} == set(CONDITIONAL)
    assert template["Conditions"]["UseArchiveSecrets"] == {
        "Fn::Not": [{"Fn::Equals": [{"Fn::Join": ["", {"Ref": "ArchiveSecretArns"}]}, ""]}]
    }
    # IAM refuses a policy without statements, so this policy must not exist if neither of its statements is granted.
    assert resources["DatabasePolicy"]["Condition"] == "UseDatabaseRights"
    assert template["Conditions"]["UseDatabaseRights"] == {
        "Fn::Or": [{"Condition": "UsePostgresSecret"}, {"Condition": "UsePostgresIam"}]
    }
    assert resources["IcebergReadPolicy"]["Condition"] == "UseIcebergRights"
    assert resources["IcebergCommitPolicy"]["Condition"] == "UseCommitRights"


GLUE = "arn:aws:glue:eu-west-1:123456789012"
TABLES = "arn:aws:s3tables:eu-west-1:123456789012:bucket/lake"


@pytest.mark.parametrize(
    ("parameters", "resources_of"),
    [
        ({}, {}),
        ({"IcebergCatalog": "https://catalog.example"}, {"s3:DeleteObject": {"/*.parquet"}}),
        (
            {"IcebergCatalog": "glue", "IcebergDatabases": "lake_*"},
            {
                "glue:GetTable": {f"{GLUE}:catalog", f"{GLUE}:database/lake_*", f"{GLUE}:table/lake_*/*"},
                "glue:UpdateTable": {f"{GLUE}:catalog", f"{GLUE}:database/lake_*", f"{GLUE}:table/lake_*/*"},
                "s3:DeleteObject": {"/*.parquet", "/*/metadata/*"},
            },
        ),
        (
            {"IcebergCatalog": TABLES},
            {
                "s3tables:GetTableBucket": {TABLES},
                "s3tables:CreateTable": {TABLES},
                "s3tables:GetTableData": {f"{TABLES}/table/*"},
                "s3tables:PutTableData": {f"{TABLES}/table/*"},
                "s3tables:UpdateTableMetadataLocation": {f"{TABLES}/table/*"},
            },
        ),
    ],
)
def test_rights_to_tables_are_those_of_the_catalog(
    template: dict[str, Any], parameters: dict[str, str], resources_of: dict[str, set[str]]
) -> None:
    found: dict[str, set[str]] = {}
    for name, one in deployed(template, parameters)["Resources"].items():
        if name not in GRANTING or name == "AfterRole":
            continue
        for statement in statements_of(one):
            for action in as_list(statement["Action"]):
                found.setdefault(action, set()).update(map(str, as_list(statement["Resource"])))
    own = "arn:aws:s3:::penstock-destination-123456789012-eu-west-1"
    shown = {action: {one.removeprefix(own) for one in resources} for action, resources in found.items()}
    assert resources_of.items() <= shown.items()
    about = {action for action in shown if action.startswith(("glue:", "s3tables:", "s3:DeleteObject"))}
    assert about >= resources_of.keys()
    assert bool(about) is bool(resources_of)


@pytest.mark.parametrize(
    ("value", "sids"),
    [
        ("none", set()),
        ("tag", {"TagSources"}),
        ("move", {"TagSources", "MoveSources", "SeeWhatMarkersHide"}),
        ("delete", {"TagSources", "MoveSources", "SeeWhatMarkersHide"}),
    ],
)
def test_only_after_may_change_sources_and_only_as_far_as_the_parameter_says(
    template: dict[str, Any], value: str, sids: set[str]
) -> None:
    names = {"AfterActions": value, "SourceBucketNames": "theirs"}
    roles = deployed(template, names)["Resources"]
    changing = {"s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutObjectTagging", "s3:PutObjectVersionTagging"}
    for name in set(FUNCTION_ROLES) & roles.keys():
        rights = {action for statement in statements_of(roles[name]) for action in as_list(statement["Action"])}
        assert name == "AfterRole" or not rights & changing
    known = {statement["Sid"]: statement for statement in statements_of(roles["AfterRole"])}
    assert known.keys() - {"FindSource", "KeepJobs", "Log", "ReadEnds", "ReadSource"} == sids
    for sid in sids & {"TagSources", "MoveSources"}:
        assert len(known[sid]["Resource"]) == 2
        assert known[sid]["Resource"][1] == "arn:*:s3:::theirs/*"
