"""The stack itself: complete, of this release, and its functions able to run."""

from __future__ import annotations

from collections.abc import Iterator

from penstock.aws.inspection.values import FunctionState
from penstock.doctor.deployment import FUNCTION, MAPPING, Deployment
from penstock.doctor.finding import Finding, command, failed, passed, warning
from penstock.model.wording import counted

# The outputs that commands of this release read.
OUTPUTS = (
    "AbortFunctionName",
    "CheckFunctionName",
    "DeadLetterQueueUrl",
    "IngestFunctionName",
    "JobsTableName",
    "QueueUrl",
    "RecordsTableName",
    "StateMachineArn",
    "WorkBucketName",
)
# By the logical id of a layer, to which SAM adds a digest: the functions that have it. None: all.
LAYERS = {
    "PenstockLayer": None,
    "LakeLayer": ("abort", "check", "finish", "index", "ingest", "plan", "work"),
    "IcebergLayer": ("abort", "commit", "finish", "plan"),
}
_LAYER = "AWS::Lambda::LayerVersion"
_RULE = "AWS::Events::Rule"
_USABLE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")
_DEPLOY = "Deploy the stack of this release: sam deploy"


def status(stack: Deployment) -> Iterator[Finding]:
    """Whether the last deployment is complete."""
    state = stack.stack
    found = state.status + (f": {state.reason}" if state.reason else "")
    events = command("cloudformation", "describe-stack-events", stack_name=stack.name)
    if state.status in _USABLE:
        yield passed("status", found)
    elif state.status.endswith("_IN_PROGRESS"):
        yield warning("status", found, f"Wait until the deployment has ended: {events}")
    elif state.status == "UPDATE_ROLLBACK_COMPLETE":
        remedy = f"The last update was undone, and the stack runs the release before. See why:\n{events}"
        yield warning("status", found, remedy)
    else:
        yield failed("status", found, f"See why, and deploy again:\n{events}")


def outputs(stack: Deployment) -> Iterator[Finding]:
    """Whether the stack has the outputs that commands read."""
    missing = [name for name in OUTPUTS if name not in stack.stack.outputs]
    if missing:
        yield failed("outputs", f"of another release: {', '.join(missing)} missing", _DEPLOY)
    else:
        yield passed("outputs", "those of this release")


def resources(stack: Deployment) -> Iterator[Finding]:
    """Whether CloudFormation has made every resource."""
    bad = {name: one for name, one in stack.resources.items() if not one.status.endswith("_COMPLETE")}
    for name, one in bad.items():
        yield failed(f"resource {name}", f"{one.status}: {one.reason}".rstrip(": "), _DEPLOY)
    if not bad:
        yield passed("resources", f"{len(stack.resources)} complete")


def functions(stack: Deployment) -> Iterator[Finding]:
    """Whether every function can run: its state, runtime, layers and concurrency."""
    runtime = stack.stack.parameters.get("Runtime", "")
    good = 0
    for function in stack.functions():
        bad = list(_of_function(function, _layers_of(stack, function.name), runtime))
        bad += _of_concurrency(function.name, stack.services.functions.concurrency(function.name))
        good += not bad
        yield from bad
    count = sum(1 for one in stack.resources.values() if one.kind == FUNCTION)
    if good == count:
        yield passed("functions", f"{good} are active, on {runtime}")


def mappings(stack: Deployment) -> Iterator[Finding]:
    """What polls the queue and the stream of the jobs table."""
    for logical_id, one in stack.resources.items():
        if one.kind != MAPPING:
            continue
        found = stack.services.functions.mapping(one.id)
        name = f"event source {logical_id}"
        source = _resource(found.source)
        if found.state in ("Enabled", "Enabling", "Creating", "Updating"):
            yield passed(name, f"{found.function} polls {source}")
        else:
            on = command("lambda", "update-event-source-mapping", uuid=found.uuid)
            yield failed(name, f"{found.state}: {found.function} does not poll {source}", f"{on} --enabled")
        if found.state == "Enabled" and not found.reports_failures and ":sqs:" in found.source:
            update = command(
                "lambda",
                "update-event-source-mapping",
                uuid=found.uuid,
                function_response_types=["ReportBatchItemFailures"],
            )
            yield failed(f"{name}, failures", "one failed message repeats its whole batch", update)


def rules(stack: Deployment) -> Iterator[Finding]:
    """Whether the rules of EventBridge are on."""
    names = [one.id for one in stack.resources.values() if one.kind == _RULE]
    off = [rule for rule in map(stack.services.rules.rule, names) if not rule.enabled]
    for rule in off:
        yield failed(f"rule {rule.name}", "is disabled", command("events", "enable-rule", name=rule.name))
    if names and not off:
        yield passed("rules", f"{counted(len(names), 'rule')} of EventBridge are on")


def machine(stack: Deployment) -> Iterator[Finding]:
    """Whether large jobs can be started."""
    arn = stack.output("StateMachineArn")
    found = stack.services.machines.status(arn)
    name = arn.rpartition(":")[2]
    if found == "ACTIVE":
        yield passed("state machine", f"{name} is {found}")
    else:
        yield failed("state machine", f"{name} is {found}", _DEPLOY)


def _resource(arn: str) -> str:
    """Return the last part of an ARN; of a stream, its table."""
    return ":".join(arn.split(":")[5:]).partition("/stream/")[0].removeprefix("table/")


def _layers_of(stack: Deployment, function: str) -> list[str]:
    """Return the ARNs of the layers that the template gives a function."""
    verb = function.removeprefix(f"{stack.name}-")
    wanted = tuple(name for name, verbs in LAYERS.items() if verbs is None or verb in verbs)
    layers = {name: one.id for name, one in stack.resources.items() if one.kind == _LAYER}
    return [arn for name, arn in layers.items() if name.startswith(wanted)]


def _of_function(function: FunctionState, layers: list[str], runtime: str) -> Iterator[Finding]:
    name = f"function {function.name}"
    if function.state == "Pending" or function.update == "InProgress":
        yield warning(name, "is being created or updated", "Wait a minute, and check again.")
    elif function.state not in ("Active", "Inactive"):  # an idle function in a VPC is Inactive until its next call
        yield failed(name, f"{function.state}: {function.reason}".rstrip(": "), _DEPLOY)
    elif function.update == "Failed":
        yield failed(name, f"its last update failed: {function.reason}".rstrip(": "), _DEPLOY)
    if missing := [layer for layer in layers if layer not in function.layers]:
        update = command("lambda", "update-function-configuration", function_name=function.name, layers=layers)
        lacking = ", ".join(layer.split(":")[6] for layer in missing)
        yield failed(name, f"lacks layers of this stack, and with them the packages that it imports: {lacking}", update)
    if runtime and function.runtime != runtime:
        update = command("lambda", "update-function-configuration", function_name=function.name, runtime=runtime)
        yield failed(name, f"runs on {function.runtime}; its layers are built for {runtime}", update)


def _of_concurrency(name: str, reserved: int | None) -> Iterator[Finding]:
    if reserved == 0:
        on = command("lambda", "delete-function-concurrency", function_name=name)
        yield failed(f"function {name}", "is stopped: its reserved concurrency is 0", on)
