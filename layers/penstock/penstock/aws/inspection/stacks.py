"""Reads a CloudFormation stack."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from penstock.aws.errors import code_of, translating
from penstock.aws.inspection.values import Document, Resource, StackState
from penstock.errors import ConfigurationError


class StackReader:
    """Implements ``Stacks``."""

    def __init__(self, client: Callable[[], Any]) -> None:
        self._connect = client

    @cached_property
    def _client(self) -> Any:
        return self._connect()

    def state(self, name: str) -> StackState:
        with translating(f"cloudformation:DescribeStacks on stack {name}"):
            try:
                found = self._client.describe_stacks(StackName=name)["Stacks"][0]
            except ClientError as error:
                if code_of(error) != "ValidationError":
                    raise
                raise ConfigurationError(
                    f"stack {name} does not exist in {self._client.meta.region_name}",
                    hint="Check --stack, --region and --profile.",
                ) from error
        return StackState(
            name,
            found["StackId"],
            found["StackStatus"],
            found.get("StackStatusReason", ""),
            {entry["ParameterKey"]: entry.get("ParameterValue", "") for entry in found.get("Parameters", ())},
            {entry["OutputKey"]: entry["OutputValue"] for entry in found.get("Outputs", ())},
            found["CreationTime"].timestamp(),
        )

    def resources(self, name: str) -> Mapping[str, Resource]:
        with translating(f"cloudformation:ListStackResources on stack {name}"):
            pages = self._client.get_paginator("list_stack_resources").paginate(StackName=name)
            return {
                one["LogicalResourceId"]: Resource(
                    one["ResourceType"],
                    one.get("PhysicalResourceId", ""),
                    one["ResourceStatus"],
                    one.get("ResourceStatusReason", ""),
                )
                for page in pages
                for one in page["StackResourceSummaries"]
            }

    def template(self, name: str) -> Document:
        with translating(f"cloudformation:GetTemplate on stack {name}"):
            body: Document = self._client.get_template(StackName=name, TemplateStage="Processed")["TemplateBody"]
        return body
