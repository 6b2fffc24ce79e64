"""The template as CloudFormation resolves it for given parameters: conditions decided, names filled in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from faults.template import Resolver

ACCOUNT, REGION = "123456789012", "eu-west-1"
PSEUDO_PARAMETERS = {
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT,
    "AWS::StackName": "penstock",
    "AWS::URLSuffix": "amazonaws.com",
}


def deployed(template: dict[str, Any], parameters: Mapping[str, str]) -> dict[str, Any]:
    """The resources and outputs that exist, with everything resolved that parameters decide."""
    values = {name: str(parameter["Default"]) for name, parameter in template["Parameters"].items()} | dict(parameters)
    resolver = Resolver(values, frozenset())
    decided = {name: _holds(condition, template["Conditions"], resolver) for name, condition in _conditions(template)}
    own = {
        f"{name}Bucket{attribute}": start + f"penstock-{name.lower()}-{ACCOUNT}-{REGION}"
        for name in ("Source", "Destination", "Work")
        for attribute, start in (("", ""), (".Arn", "arn:aws:s3:::"))
    }
    resolver = Resolver(
        {**PSEUDO_PARAMETERS, **own, **values}, frozenset(name for name, holds in decided.items() if holds)
    )
    return {
        section: {
            name: resolver.resolve({key: value for key, value in entry.items() if key != "Condition"})
            for name, entry in template[section].items()
            if "Condition" not in entry or decided[entry["Condition"]]
        }
        for section in ("Resources", "Outputs")
    } | {"Variables": resolver.resolve(template["Globals"]["Function"]["Environment"]["Variables"])}


def _conditions(template: dict[str, Any]) -> list[tuple[str, Any]]:
    return list(template["Conditions"].items())


def _holds(condition: Any, conditions: Mapping[str, Any], resolver: Resolver) -> bool:
    ((function, argument),) = condition.items()
    if function == "Condition":
        return _holds(conditions[argument], conditions, resolver)
    if function == "Fn::Not":
        return not _holds(argument[0], conditions, resolver)
    if function in ("Fn::And", "Fn::Or"):
        decided = [_holds(one, conditions, resolver) for one in argument]
        return all(decided) if function == "Fn::And" else any(decided)
    assert function == "Fn::Equals", function
    left, right = (resolver.resolve(one) for one in argument)
    return bool(left == right)
