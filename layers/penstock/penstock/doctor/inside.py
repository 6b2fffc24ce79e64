"""What the function `check` found: it tries requests under the role, in the VPC and with the settings of `ingest`."""

from __future__ import annotations

from collections.abc import Iterator

from penstock.doctor.deployment import Deployment
from penstock.doctor.finding import Finding, Level, failed, from_json, passed, warning
from penstock.errors import ConfigurationError
from penstock.model.release import VERSION


def version(stack: Deployment) -> Iterator[Finding]:
    """Whether command and layer are of one release."""
    deployed = str(_answer(stack).get("version", "unknown"))
    if deployed == VERSION:
        yield passed("version", f"command and layer are {deployed}")
    else:
        yield warning(
            "version",
            f"the command is {VERSION}, and the layer {deployed}",
            f"Deploy release {VERSION}, or install the command of release {deployed}.",
        )


def trials(stack: Deployment) -> Iterator[Finding]:
    """What the requests under the role of `ingest` found."""
    sides = {f"read {one}/": f"penstock connect s3://{one}" for one in stack.source_buckets}
    sides |= {f"write {one}/": f"penstock connect s3://{one} --as destination" for one in stack.destination_buckets}
    for finding in from_json(_answer(stack).get("trials")):
        connect = next((command for name, command in sides.items() if f"{finding.name}/".startswith(name)), "")
        if finding.level is Level.FAILED and connect:
            # It shows the statements that the policies of bucket and key need.
            yield failed(finding.name, finding.found, f"{finding.remedy}\n{connect} --stack {stack.name}")
        else:
            yield finding


def database(stack: Deployment) -> Iterator[Finding]:
    """What the functions find in the database."""
    yield from from_json(_answer(stack).get("database"))


def _answer(stack: Deployment) -> dict[str, object]:
    answer = stack.answer
    if not isinstance(answer, dict):
        raise ConfigurationError("the function `check` answered no object", hint="Deploy the stack of this release.")
    return answer
