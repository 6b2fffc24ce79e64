"""Penstock as a construct of the AWS CDK: the stack of a release, with its code as assets.

    from penstock_stack import Penstock

    release = Path("penstock-0.1.0-python3.14-x86_64")
    penstock = Penstock(self, "Penstock", release=release, parameters={"MemorySize": 512})
    penstock.resources["SourceBucket"].ref   # a resource of the template, by its logical id

``release`` is the unpacked ``penstock-VERSION-RUNTIME-ARCHITECTURE.zip``. Resources keep their logical ids, so a CDK
stack takes over the stack of the SAM CLI that has its name. One construct fits a stack.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import mkdtemp
from types import MappingProxyType
from typing import Any

import yaml
from aws_cdk import CfnOutput, CfnResource, Token, aws_s3_assets
from aws_cdk.cloudformation_include import CfnInclude
from constructs import Construct

DEFAULTS: Mapping[str, Any] = MappingProxyType({})
# Properties of SAM resources that name a local file.
FILES = ("CodeUri", "ContentUri", "DefinitionUri")


class Penstock(Construct):
    """All resources of Penstock. ``parameters`` take the place of the defaults in template.yaml.

    Raises ValueError for a parameter that the template does not have.
    """

    def __init__(self, scope: Construct, id_: str, *, release: Path, parameters: Mapping[str, Any] = DEFAULTS) -> None:
        super().__init__(scope, id_)
        template = read_template(release)
        for name, value in parameters.items():
            if name not in template["Parameters"]:
                raise ValueError(f"the template has no parameter {name}")
            template["Parameters"][name]["Default"] = value
        resources, outputs = template.pop("Resources"), template.pop("Outputs")
        file = Path(mkdtemp()) / "template.json"
        file.write_text(json.dumps({**template, "Resources": {}}))
        included = CfnInclude(self, "Template", template_file=str(file))
        self.resources = {name: self._resource(name, entry, release) for name, entry in resources.items()}
        for name, output in outputs.items():
            value = Token.as_string(output["Value"])
            condition = included.get_condition(output["Condition"]) if "Condition" in output else None
            made = CfnOutput(
                self, f"{name}Output", value=value, description=output.get("Description"), condition=condition
            )
            made.override_logical_id(name)

    def _resource(self, name: str, entry: Mapping[str, Any], release: Path) -> CfnResource:
        """Add a resource as it stands in the template: the CDK knows SAM's properties of some years ago only."""
        properties = dict(entry.get("Properties", {}))
        for key in FILES:
            if key in properties:
                asset = aws_s3_assets.Asset(self, f"{name}Code", path=str(release / properties[key]))
                properties[key] = asset.s3_object_url
        resource = CfnResource(self, name, type=entry["Type"])
        resource.override_logical_id(name)
        for key, value in {**entry, "Properties": properties}.items():
            if key != "Type" and value != {}:
                resource.add_override(key, value)
        return resource


def read_template(release: Path) -> dict[str, Any]:
    """Return the template with the resources of deploy/operations.yaml, and with Globals in every function.

    The CDK has no place for either.
    """
    template: dict[str, Any] = yaml.safe_load((release / "template.yaml").read_text())
    include = template["Resources"].pop("Fn::Transform")
    template["Resources"] |= yaml.safe_load((release / include["Parameters"]["Location"]).read_text())
    shared = template.pop("Globals")["Function"]
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"] = merge(shared, resource["Properties"])
    return template


def merge(shared: Any, own: Any) -> Any:
    """Return the properties of a function with those of Globals, as SAM merges them.

    https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-specification-template-anatomy-globals.html
    """
    if isinstance(shared, dict) and isinstance(own, dict):
        both = {name: merge(shared[name], own[name]) for name in shared if name in own}
        return {**shared, **own, **both}
    if isinstance(shared, list) and isinstance(own, list):
        return [*shared, *own]
    return own
