"""template.yaml as data, with its references resolved."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

TEMPLATE = Path(__file__).parents[1] / "template.yaml"

Resources = Mapping[str, Mapping[str, Any]]


class TemplateLoader(yaml.CSafeLoader):
    """YAML with CloudFormation's tags. Short ones become their long forms: ``!Ref X`` is ``{"Ref": "X"}``."""


def _intrinsic(loader: TemplateLoader, tag: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        raise TypeError(f"!{tag} of a mapping")
    if tag == "GetAtt":
        value = value.split(".", 1)
    return {tag if tag in {"Ref", "Condition"} else f"Fn::{tag}": value}


TemplateLoader.add_multi_constructor("!", _intrinsic)


def read_template() -> dict[str, Any]:
    """The template of this checkout, with the files that it includes."""
    loaded: dict[str, Any] = with_includes(
        yaml.load(TEMPLATE.read_text(encoding="utf-8"), TemplateLoader)
    )  # a SafeLoader
    return loaded


def with_includes(value: Any) -> Any:
    """A value of the template with AWS::Include expanded as CloudFormation does it: the keys of the file go in place of
    ``Fn::Transform``. The file has to do without short forms."""
    if isinstance(value, list):
        return [with_includes(one) for one in value]
    if not isinstance(value, dict):
        return value
    own = {key: with_includes(one) for key, one in value.items() if key != "Fn::Transform"}
    if "Fn::Transform" not in value:
        return own
    location = TEMPLATE.parent / value["Fn::Transform"]["Parameters"]["Location"]
    return own | yaml.safe_load(location.read_text(encoding="utf-8"))


NOTHING = object()
FUNCTIONS = frozenset({"Ref", "Fn::GetAtt", "Fn::If", "Fn::Join", "Fn::Select", "Fn::Split", "Fn::Sub"})


@dataclass(frozen=True, slots=True)
class Resolver:
    """Resolves references. ``names`` maps references such as "JobsTable.Arn" to values; others keep their name.

    Only the conditions in ``true_conditions`` are true.
    """

    names: Mapping[str, str]
    true_conditions: frozenset[str] = frozenset()

    def resolve(self, value: Any) -> Any:
        """A value without intrinsic functions."""
        if isinstance(value, list):
            return [found for one in value if (found := self.resolve(one)) is not NOTHING]
        if not isinstance(value, dict):
            return value
        if len(value) == 1 and (name := next(iter(value))) in FUNCTIONS:
            return self._call(name, value[name])
        # What resolves to nothing is absent, as in CloudFormation.
        return {name: found for name, one in value.items() if (found := self.resolve(one)) is not NOTHING}

    def _call(self, function: str, argument: Any) -> Any:
        match function:
            case "Fn::If":
                condition, then, otherwise = argument
                return self.resolve(then if condition in self.true_conditions else otherwise)
            case "Fn::Sub":
                text, own = (argument, {}) if isinstance(argument, str) else argument
                names = {**self.names, **{name: str(self.resolve(value)) for name, value in own.items()}}
                return re.sub(r"\$\{([^}]+)\}", lambda found: names.get(found[1], found[1]), text)
            case "Fn::Join":
                return argument[0].join(self.resolve(argument[1]))
            case "Fn::Select":
                return self.resolve(argument[1])[int(argument[0])]
            case "Fn::Split":
                return self.resolve(argument[1]).split(argument[0])
        name = argument if function == "Ref" else ".".join(argument)
        return NOTHING if name == "AWS::NoValue" else self.names.get(name, name)
