"""Parameters have valid defaults, and samconfig.toml sets only existing parameters, to valid values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from penstock.limits import MIB, Budget

Resources = dict[str, dict[str, Any]]


def reason_for_refusal(parameter: dict[str, Any], value: str) -> str:
    """Why CloudFormation refuses a value; empty if it does not."""
    if "AllowedValues" in parameter and value not in [str(allowed) for allowed in parameter["AllowedValues"]]:
        return f"not one of {parameter['AllowedValues']}"
    if "AllowedPattern" in parameter and not re.fullmatch(parameter["AllowedPattern"], value):
        return f"does not match {parameter['AllowedPattern']}"
    low, high = parameter.get("MinValue", float("-inf")), parameter.get("MaxValue", float("inf"))
    if parameter["Type"] == "Number" and not low <= float(value) <= high:
        return "out of range"
    return ""


def overrides(samconfig: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for environment, commands in samconfig.items():
        if environment != "version":
            for override in commands["deploy"]["parameters"]["parameter_overrides"]:
                name, _, value = override.partition("=")
                yield environment, name, value


def test_every_parameter_has_a_description_and_a_valid_default(parameters: Resources) -> None:
    for name, parameter in parameters.items():
        assert parameter["Description"], name
        assert reason_for_refusal(parameter, str(parameter["Default"])) == "", name


def test_every_parameter_is_bounded(parameters: Resources) -> None:
    for name, parameter in parameters.items():
        bounded = {"MinValue", "MaxValue"} <= set(parameter) or {"AllowedValues", "AllowedPattern"} & set(parameter)
        assert bounded, name


def test_every_parameter_is_shown_in_exactly_one_group(template: dict[str, Any], parameters: Resources) -> None:
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    shown = [name for group in groups for name in group["Parameters"]]
    assert sorted(shown) == sorted(parameters)


def test_every_parameter_is_used(template: dict[str, Any], parameters: Resources) -> None:
    used = str([template["Globals"], template["Resources"], template["Conditions"]])
    assert not [name for name in parameters if f"{{'Ref': '{name}'}}" not in used and f"${{{name}}}" not in used]


def test_the_smallest_memory_that_the_template_allows_is_enough_for_penstock(parameters: Resources) -> None:
    assert Budget.of(parameters["MemorySize"]["MinValue"] * MIB).uploads > 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RoutesUri", "s3://penstock-work-123456789012-eu-west-1/config/routes.toml"),
        ("KmsKeyArn", "arn:aws:kms:eu-west-1:123456789012:key/0a1b2c3d-0000-4000-8000-000000000000"),
        ("AlarmTopicArn", "arn:aws-cn:sns:cn-north-1:123456789012:on-call"),
        ("Timeout", "60"),
        ("BatchSize", "10000"),
        ("BatchingWindowSeconds", "1"),
        ("MapConcurrency", "10000"),
        ("LargeBytes", "53687091200000"),
        ("TimeLimitSeconds", "3"),
        ("IcebergCatalog", "glue"),
        ("IcebergCatalog", "arn:aws:s3tables:eu-west-1:123456789012:bucket/lake"),
        ("IcebergCatalog", "https://polaris.example/api/catalog"),
        ("IcebergDatabases", "lake_*"),
        ("IcebergWarehouse", "s3://results/warehouse"),
    ],
)
def test_a_sensible_value_is_valid(parameters: Resources, name: str, value: str) -> None:
    assert reason_for_refusal(parameters[name], value) == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RoutesUri", "s3://penstock-work-123456789012-eu-west-1/routes.toml"),  # the role cannot read it
        ("RoutesUri", "https://example.com/config/routes.toml"),
        ("KmsKeyArn", "arn:aws:kms:eu-west-1:123456789012:alias/mine"),  # IAM grants keys, not aliases
        ("AlarmTopicArn", "on-call@example.com"),
        ("Timeout", "901"),
        ("MemorySize", "127"),
        ("BatchSize", "10001"),
        ("BatchingWindowSeconds", "301"),
        ("MapConcurrency", "10001"),  # a Distributed Map runs at most 10,000 children at once
        ("MaximumConcurrency", "1"),  # the minimum of SQS event sources is 2
        ("Architecture", "aarch64"),
        ("IcebergCatalog", "Glue"),
        ("IcebergCatalog", "arn:aws:s3:::lake"),  # a bucket, not a table bucket
        ("IcebergCatalog", "http://catalog.example"),  # tokens must not travel in the clear
        ("IcebergDatabases", "sales/orders"),
    ],
)
def test_a_value_that_cannot_work_is_refused_before_anything_is_created(
    parameters: Resources, name: str, value: str
) -> None:
    assert reason_for_refusal(parameters[name], value) != ""


def test_samconfig_has_a_trial_and_a_production_environment_with_different_names(
    samconfig: dict[str, Any],
) -> None:
    names = {key: value["global"]["parameters"]["stack_name"] for key, value in samconfig.items() if key != "version"}
    assert names == {"default": "penstock-dev", "prod": "penstock"}


def test_samconfig_sets_only_existing_parameters_to_valid_values(
    samconfig: dict[str, Any], parameters: Resources
) -> None:
    for environment, name, value in overrides(samconfig):
        assert name in parameters, (environment, name)
        assert reason_for_refusal(parameters[name], value) == "", (environment, name)


def test_production_shows_its_change_set_before_it_runs(samconfig: dict[str, Any]) -> None:
    assert samconfig["prod"]["deploy"]["parameters"]["confirm_changeset"] is True


def test_samconfig_grants_cloudformation_only_unnamed_roles(samconfig: dict[str, Any]) -> None:
    for environment in ("default", "prod"):
        assert samconfig[environment]["deploy"]["parameters"]["capabilities"] == "CAPABILITY_IAM"


def test_validate_lints(samconfig: dict[str, Any]) -> None:
    for environment in ("default", "prod"):
        assert samconfig[environment]["validate"]["parameters"]["lint"] is True


def test_a_given_key_encrypts_the_environment_of_every_function(resources: Resources) -> None:
    functions = [
        resource["Properties"] for resource in resources.values() if resource["Type"] == "AWS::Serverless::Function"
    ]
    assert functions
    wanted = {"Fn::If": ["UseKmsKey", {"Ref": "KmsKeyArn"}, {"Ref": "AWS::NoValue"}]}
    assert all(function["KmsKeyArn"] == wanted for function in functions)
