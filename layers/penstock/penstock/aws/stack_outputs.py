"""Parameters and outputs of a deployed stack, from CloudFormation."""

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
    """Raises ConfigurationError if the stack does not exist, AccessDeniedError and ServiceUnavailableError."""
    with translating(f"cloudformation:DescribeStacks on stack {stack}"):
        try:
            described = client.describe_stacks(StackName=stack)["Stacks"][0]
        except ClientError as error:
            if code_of(error) != "ValidationError":
                raise
            raise ConfigurationError(
                f"stack {stack} does not exist in {client.meta.region_name}",
                hint="Check --stack, --region and --profile.",
            ) from error
    return StackOutputs(
        {entry["ParameterKey"]: entry["ParameterValue"] for entry in described.get("Parameters", ())},
        {entry["OutputKey"]: entry["OutputValue"] for entry in described.get("Outputs", ())},
    )
