"""Patches of CloudFormation."""
# ruff: noqa: SLF001  # patches replace private names; the version is pinned and checked

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

from ministack.services import dynamodb, s3  # type: ignore[import-not-found]  # installed in another virtual environment
from ministack.services.cloudformation import (  # type: ignore[import-not-found]  # the same
    changesets,
    engine,
    handlers,
    provisioners,
    stacks,
)

Properties = Mapping[str, Any]


def apply_time_to_live() -> None:
    """A table gets the TimeToLiveSpecification of the template. MiniStack leaves it out.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-dynamodb-table.html
    """
    handlers = provisioners._RESOURCE_HANDLERS["AWS::DynamoDB::Table"]
    create, update = handlers["create"], handlers["update"]

    def creating(logical_id: str, properties: Properties, stack_name: str) -> Any:
        answer = create(logical_id, properties, stack_name)
        _expire(answer[0], properties)
        return answer

    def updating(physical_id: str, old: Properties, new: Properties, *rest: Any, **named: Any) -> Any:
        answer = update(physical_id, old, new, *rest, **named)
        if old.get("TimeToLiveSpecification") != new.get("TimeToLiveSpecification"):
            _expire(answer[0], new)
        return answer

    handlers.update(create=creating, update=updating)


def split_and_join_in_conditions() -> None:
    """Conditions may split and join parameters. MiniStack leaves Fn::Split and Fn::Join there as they are.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference-conditions.html
    """
    original = engine._evaluate_conditions

    def evaluate_conditions(template: Properties, parameters: Properties) -> Any:
        resolved = _resolve(template.get("Conditions", {}), parameters)
        return original({**template, "Conditions": resolved}, parameters)

    for module in (changesets, engine, handlers, stacks):
        module._evaluate_conditions = evaluate_conditions


def _resolve(value: Any, parameters: Properties) -> Any:
    """Resolve Fn::Split and Fn::Join of parameters; a list parameter is text with commas here."""
    if isinstance(value, list):
        return [_resolve(one, parameters) for one in value]
    if not isinstance(value, dict):
        return value
    if "Fn::Split" in value:
        delimiter, text = value["Fn::Split"]
        return str(_of_parameter(text, parameters)).split(delimiter)
    if "Fn::Join" in value:
        delimiter, items = value["Fn::Join"]
        items = _of_parameter(items, parameters)
        return delimiter.join(items.split(",") if isinstance(items, str) else map(str, items))
    return {name: _resolve(one, parameters) for name, one in value.items()}


def _of_parameter(value: Any, parameters: Properties) -> Any:
    is_parameter = isinstance(value, dict) and value.get("Ref") in parameters
    return parameters[value["Ref"]]["Value"] if is_parameter else value


def _expire(table: str, properties: Properties) -> None:
    specification = properties.get("TimeToLiveSpecification")
    if specification:
        on = str(specification["Enabled"]).lower() == "true"
        dynamodb._update_ttl(
            {
                "TableName": table,
                "TimeToLiveSpecification": {"Enabled": on, "AttributeName": specification["AttributeName"]},
            }
        )


def apply_lifecycle_rules() -> None:
    """A bucket gets the LifecycleConfiguration of the template. MiniStack leaves it out.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-s3-bucket-rule.html
    """
    apply = ("LifecycleConfiguration", _lifecycle_xml, s3._put_bucket_lifecycle, s3._delete_bucket_lifecycle)
    provisioners._S3_BUCKET_CONFIGURATIONS = (*provisioners._S3_BUCKET_CONFIGURATIONS, apply)


def _lifecycle_xml(configuration: Properties) -> bytes:
    rules = "".join(map(_rule_xml, configuration["Rules"]))
    return f"<LifecycleConfiguration>{rules}</LifecycleConfiguration>".encode()


def _rule_xml(rule: Properties) -> str:
    """The parts of a rule that the template has."""
    parts = [
        _element("ID", rule.get("Id", "")),
        _element("Status", rule["Status"]),
        f"<Filter>{_element('Prefix', rule.get('Prefix', ''))}</Filter>",
    ]
    unfinished, old = rule.get("AbortIncompleteMultipartUpload"), rule.get("NoncurrentVersionExpiration")
    expiration = {
        "Days": rule.get("ExpirationInDays"),
        "ExpiredObjectDeleteMarker": rule.get("ExpiredObjectDeleteMarker"),
    }
    parts.append(_block("Expiration", expiration))
    parts.append(_block("AbortIncompleteMultipartUpload", unfinished or {}))
    parts.append(_block("NoncurrentVersionExpiration", old or {}))
    return f"<Rule>{''.join(parts)}</Rule>"


def _block(name: str, values: Properties) -> str:
    inner = "".join(_element(key, str(value).lower()) for key, value in values.items() if value is not None)
    return f"<{name}>{inner}</{name}>" if inner else ""


def _element(name: str, text: str) -> str:
    return f"<{name}>{escape(text)}</{name}>"
