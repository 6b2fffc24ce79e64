"""The names of what a stack consists of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from penstock.adapters.aws_errors import code_of, translating
from penstock.errors import ConfigurationError


def stack_outputs(client: Any, stack: str) -> Mapping[str, str]:
    """The outputs of a CloudFormation stack. Raises ConfigurationError where there is no such stack.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html
    """
    with translating(f"cloudformation:DescribeStacks on stack {stack}"):
        try:
            found = client.describe_stacks(StackName=stack)["Stacks"]
        except ClientError as error:
            if code_of(error) != "ValidationError":
                raise
            raise ConfigurationError(
                f"there is no stack {stack} in {client.meta.region_name}",
                hint="Name another with --stack or PENSTOCK_STACK, --region or --profile; --local is the local one.",
            ) from error
    return {output["OutputKey"]: output["OutputValue"] for output in found[0].get("Outputs", ())}
