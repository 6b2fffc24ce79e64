"""The deployed template with its references resolved: what each role is meant to be allowed.

The template itself says it, so that a check needs no second list. What cannot be resolved is left out, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from penstock.aws.inspection.values import Document, Resource, StackState
from penstock.errors import AccessDeniedError

ROLE, MANAGED_POLICY = "AWS::IAM::Role", "AWS::IAM::ManagedPolicy"

# How the ARN of a resource follows from its physical id; the others have their ARN as their id.
_ARNS = {
    "AWS::S3::Bucket": "arn:{partition}:s3:::{id}",
    "AWS::SQS::Queue": "arn:{partition}:sqs:{region}:{account}:{name}",
    "AWS::DynamoDB::Table": "arn:{partition}:dynamodb:{region}:{account}:table/{id}",
    "AWS::Lambda::Function": "arn:{partition}:lambda:{region}:{account}:function:{id}",
    "AWS::Logs::LogGroup": "arn:{partition}:logs:{region}:{account}:log-group:{id}:*",
    "AWS::IAM::Role": "arn:{partition}:iam::{account}:role/{id}",
}
_MISSING = object()


class UnresolvedError(Exception):
    """A reference or a function that this module does not know."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy of a role. ``name`` is that of an inline policy, ``arn`` that of a managed one; one of them is empty."""

    name: str
    arn: str
    document: Document


@dataclass(frozen=True, slots=True)
class Template:
    """A processed template, with the values of one stack. ``stream`` returns the ARN of a table's stream."""

    document: Document
    stack: StackState
    resources: Mapping[str, Resource]
    stream: Callable[[str], str]

    def roles(self) -> list[str]:
        """Return the logical ids of all roles."""
        return [name for name, one in self.document["Resources"].items() if one["Type"] == ROLE]

    def arn(self, logical_id: str) -> str:
        """Return the ARN of a resource."""
        resource = self.resources[logical_id]
        stack, last = self.stack, resource.id.rpartition("/")[2]
        pattern = _ARNS.get(resource.kind, "{id}")
        return pattern.format(
            partition=stack.partition, region=stack.region, account=stack.account, id=resource.id, name=last
        )

    def policies(self, role: str) -> Iterator[Policy]:
        """Yield the policies that the template gives a role. Statements that cannot be resolved are left out."""
        properties = self.document["Resources"][role]["Properties"]
        for policy in properties.get("Policies", ()):
            if document := self._document(policy["PolicyDocument"]):
                yield Policy(self._resolve(policy["PolicyName"]), "", document)
        for reference in properties.get("ManagedPolicyArns", ()):
            managed = self._ref_of(reference)
            if managed in self.resources and self.document["Resources"][managed]["Type"] == MANAGED_POLICY:
                document = self._document(self.document["Resources"][managed]["Properties"]["PolicyDocument"])
                if document:
                    yield Policy("", self.resources[managed].id, document)

    def _ref_of(self, reference: Any) -> str:
        """Return the logical id of a reference that a condition may surround; empty without one."""
        if isinstance(reference, Mapping) and "Fn::If" in reference:
            condition, then, otherwise = reference["Fn::If"]
            return self._ref_of(then if self._holds(condition) else otherwise)
        return str(reference.get("Ref", "")) if isinstance(reference, Mapping) else ""

    def _document(self, document: Document) -> Document:
        statements = []
        for statement in document["Statement"]:
            try:
                resolved = self._resolve(statement)
            except UnresolvedError:
                continue
            if resolved is not _MISSING:
                statements.append(resolved)
        return {"Version": document.get("Version", "2012-10-17"), "Statement": statements} if statements else {}

    def _resolve(self, value: Any) -> Any:
        if isinstance(value, list):
            return [found for one in value if (found := self._resolve(one)) is not _MISSING]
        if not isinstance(value, Mapping):
            return value
        if len(value) == 1:
            function, argument = next(iter(value.items()))
            if function in ("Ref", "Condition") and isinstance(argument, str):
                return self._ref(argument) if function == "Ref" else self._holds(argument)
            if function.startswith("Fn::"):
                return self._function(function, argument)
        return {name: found for name, one in value.items() if (found := self._resolve(one)) is not _MISSING}

    def _function(self, function: str, argument: Any) -> Any:
        known: Mapping[str, Callable[[Any], Any]] = {
            "Fn::If": self._if,
            "Fn::GetAtt": self._attribute,
            "Fn::Sub": self._sub,
            "Fn::Join": lambda one: self._resolve(one[0]).join(map(str, self._resolve(one[1]))),
            "Fn::Split": lambda one: str(self._resolve(one[1])).split(self._resolve(one[0])),
            "Fn::Select": lambda one: self._resolve(one[1])[int(self._resolve(one[0]))],
            "Fn::Equals": lambda one: self._resolve(one[0]) == self._resolve(one[1]),
            "Fn::Not": lambda one: not self._resolve(one[0]),
            "Fn::And": lambda one: all(map(self._resolve, one)),
            "Fn::Or": lambda one: any(map(self._resolve, one)),
        }
        if function not in known:
            raise UnresolvedError(function)
        return known[function](argument)

    def _if(self, argument: Any) -> Any:
        condition, then, otherwise = argument
        return self._resolve(then if self._holds(condition) else otherwise)

    def _holds(self, condition: str) -> bool:
        return bool(self._resolve(self.document["Conditions"][condition]))

    def _ref(self, name: str) -> Any:
        stack = self.stack
        pseudo = {
            "AWS::Partition": stack.partition,
            "AWS::Region": stack.region,
            "AWS::AccountId": stack.account,
            "AWS::StackName": stack.name,
            "AWS::StackId": stack.arn,
            "AWS::URLSuffix": "amazonaws.com.cn" if stack.partition == "aws-cn" else "amazonaws.com",
            "AWS::NoValue": _MISSING,
        }
        if name in pseudo:
            return pseudo[name]
        if name in self.document.get("Parameters", {}):
            value = stack.parameters.get(name, "")
            is_list = "List" in self.document["Parameters"][name]["Type"]
            return value.split(",") if is_list else value
        if name in self.resources:
            return self.resources[name].id
        raise UnresolvedError(name)

    def _attribute(self, argument: Any) -> str:
        name, _, attribute = (argument if isinstance(argument, str) else ".".join(argument)).partition(".")
        if name not in self.resources:
            raise UnresolvedError(name)
        if attribute == "Arn":
            return self.arn(name)
        if attribute == "QueueName":
            return self.resources[name].id.rpartition("/")[2]
        if attribute == "StreamArn":  # its last part is a time
            return self._stream(self.resources[name].id)
        raise UnresolvedError(f"{name}.{attribute}")

    def _stream(self, table: str) -> str:
        try:
            found = self.stream(table)
        except AccessDeniedError as error:
            raise UnresolvedError(table) from error
        if not found:
            raise UnresolvedError(table)
        return found

    def _sub(self, argument: Any) -> str:
        text, given = (argument, {}) if isinstance(argument, str) else argument

        def value(found: re.Match[str]) -> str:
            name = found[1]
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            if name in given:
                return str(self._resolve(given[name]))
            return str(self._attribute(name) if "." in name else self._ref(name))

        return re.sub(r"\$\{([^}]+)\}", value, text)
