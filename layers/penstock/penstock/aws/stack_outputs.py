"""What CloudFormation knows of a deployed stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from penstock.aws.errors import code_of, translating
from penstock.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class StackOutputs:
    """Parameters and outputs of a stack, by name."""

    parameters: Mapping[str, str]
    outputs: Mapping[str, str]


def read_stack_outputs(client: Any, stack: str) -> StackOutputs:
    """Raises ConfigurationError where there is no such stack, AccessDeniedError and ServiceUnavailableError."""
    with translating(f"cloudformation:DescribeStacks on stack {stack}"):
        try:
            described = client.describe_stacks(StackName=stack)["Stacks"][0]
        except ClientError as error:
            if code_of(error) != "ValidationError":
                raise
            raise ConfigurationError(
                f"there is no stack {stack} in {client.meta.region_name}", hint="Check --stack, --region and --profile."
            ) from error
    return StackOutputs(
        {one["ParameterKey"]: one["ParameterValue"] for one in described.get("Parameters", ())},
        {one["OutputKey"]: one["OutputValue"] for one in described.get("Outputs", ())},
    )
