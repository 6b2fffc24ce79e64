"""The jobs table, and the reconciler that works on it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

from penstock.aws.jobs_table import time_index
from penstock.doctor.deployment import Deployment
from penstock.doctor.finding import Finding, command, failed, passed, warning
from penstock.jobs.reconcile.dead_letters import EVERY_SECONDS

TTL = "expires_at"
_TASK = "dead-letters"
# The reconciler may be late by some of its runs, for one throttled call or a slow cold start.
_RUNS = 5
# A new stack.
_YOUNG_SECONDS = 600.0
_SECONDS = {"minute": 60.0, "hour": 3600.0, "day": 86_400.0}


def table(stack: Deployment) -> Iterator[Finding]:
    """Whether the jobs table and its index can be used."""
    name = stack.output("JobsTableName")
    found = stack.services.tables.state(name)
    index = found.indexes.get(time_index.NAME, "")
    if found.status not in ("ACTIVE", "UPDATING"):
        yield failed("table", f"{name} is {found.status}", "Wait until it is ACTIVE, or deploy the stack again.")
    elif not index:
        yield failed("table", f"{name} lacks its index {time_index.NAME}", _make_index(name))
    elif index != "ACTIVE":
        yield failed("table", f"index {time_index.NAME} of {name} is {index}", "Wait until it is ACTIVE.")
    else:
        yield passed("table", f"{name} is {found.status}, with its index")


def _make_index(table: str) -> str:
    """Return the command that makes the index of the template; CloudFormation does not see that it is gone."""
    index = {
        "IndexName": time_index.NAME,
        "KeySchema": [
            {"AttributeName": "index_key", "KeyType": "HASH"},
            {"AttributeName": "index_time", "KeyType": "RANGE"},
        ],
        "Projection": {"ProjectionType": "KEYS_ONLY"},
    }
    return command(
        "dynamodb",
        "update-table",
        table_name=table,
        attribute_definitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "index_key", "AttributeType": "S"},
            {"AttributeName": "index_time", "AttributeType": "N"},
        ],
        global_secondary_index_updates=[{"Create": index}],
    )


def expiry(stack: Deployment) -> Iterator[Finding]:
    """Whether records expire."""
    name = stack.output("JobsTableName")
    found = stack.services.tables.ttl(name)
    if found == TTL:
        yield passed("expiry", f"records expire {stack.number('JobRetentionDays', 90)} days after their job")
        return
    on = command(
        "dynamodb",
        "update-time-to-live",
        table_name=name,
        time_to_live_specification={"Enabled": True, "AttributeName": TTL},
    )
    yield failed("expiry", f"records expire by {found}" if found else "records never expire", on)


def schedule(stack: Deployment) -> Iterator[Finding]:
    """Whether the reconciler is called."""
    function = stack.function("ReconcileFunction")
    rules = [rule for rule in stack.services.rules.of_target(function.arn) if rule.schedule]
    name = "reconciler's schedule"
    if not rules:
        yield failed(name, f"no rule calls {function.name}", "Deploy the stack again: sam deploy")
    for rule in rules:
        if rule.enabled:
            yield passed(name, rule.schedule)
        else:
            on = command("events", "enable-rule", name=rule.name)
            yield failed(name, f"rule {rule.name} is disabled: interrupted jobs are not retried", on)


def last_run(stack: Deployment) -> Iterator[Finding]:
    """When the reconciler ran, by the item in which it notes when it reads dead letters again."""
    name = "reconciler's last run"
    due = stack.services.tables.due(stack.output("JobsTableName"), _TASK)
    function = stack.function("ReconcileFunction")
    rules = stack.services.rules.of_target(function.arn)
    every = max((_seconds(rule.schedule) for rule in rules if rule.schedule), default=60.0)
    late = time.time() - (due or 0.0)
    log = f"See its log:\naws logs tail /aws/lambda/{function.name} --since 30m"
    if due is None and time.time() - stack.stack.created < _YOUNG_SECONDS:
        yield warning(name, "none yet: the stack is new", "Wait some minutes.")
    elif due is None:
        yield failed(name, "it never ran", log)
    elif late > _RUNS * every:
        ago = (late + EVERY_SECONDS) / 60
        yield failed(name, f"about {ago:.0f} minutes ago", log)
    else:
        yield passed(name, f"within the last {(EVERY_SECONDS + _RUNS * every) / 60:.0f} minutes")


def _seconds(schedule: str) -> float:
    """Return the seconds between two runs of ``rate(...)``; those of a day for other expressions."""
    found = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", schedule)
    return int(found[1]) * _SECONDS[found[2]] if found else _SECONDS["day"]
