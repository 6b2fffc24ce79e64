"""The alarms of the stack, and whether anybody hears of them."""

from __future__ import annotations

from collections.abc import Iterator

from penstock.doctor.deployment import Deployment
from penstock.doctor.finding import Finding, command, failed, passed, warning
from penstock.model.wording import counted

_ALARM = "AWS::CloudWatch::Alarm"
_TOPICS = {"alarms": "AlarmTopicArn", "events": "EventsTopicArn"}


def states(stack: Deployment) -> Iterator[Finding]:
    """Whether an alarm is on, and whether all can notify."""
    names = {one.id for one in stack.resources.values() if one.kind == _ALARM}
    found = stack.services.alarms.states(sorted(names))
    for name in sorted(names - {one.name for one in found}):
        yield failed(f"alarm {name}", "was deleted", "Deploy the stack again with another value of a parameter.")
    for one in found:
        if one.state == "ALARM":
            yield warning(f"alarm {one.name}", "is in alarm", one.description)
        if not one.enabled:
            on = command("cloudwatch", "enable-alarm-actions", alarm_names=[one.name])
            yield failed(f"alarm {one.name}", "its actions are disabled: it notifies nobody", on)
    if all(one.enabled and one.state != "ALARM" for one in found) and len(found) == len(names):
        yield passed("alarms", f"{counted(len(found), 'alarm')}, none in alarm")


def topics(stack: Deployment) -> Iterator[Finding]:
    """Whether the topics of the stack have a subscriber who has confirmed."""
    for what, parameter in _TOPICS.items():
        topic = stack.stack.parameters.get(parameter, "")
        if not topic:
            if what == "alarms":
                yield warning(
                    "alarms' topic",
                    "none: alarms show in CloudWatch only",
                    "Deploy with AlarmTopicArn, the ARN of an SNS topic with a subscriber.",
                )
            continue
        name, subscribers = f"{what}' topic", stack.services.topics.subscribers(topic)
        confirmed = [to for _, to, on in subscribers if on]
        if confirmed:
            yield passed(name, f"{topic.rpartition(':')[2]} with {counted(len(confirmed), 'subscriber')}")
            continue
        subscribe = command("sns", "subscribe", topic_arn=topic, protocol="email", notification_endpoint="YOU@EXAMPLE")
        waiting = f"{counted(len(subscribers), 'subscription')} not confirmed" if subscribers else "no subscriber"
        remedy = f"Confirm the subscription by the link in its mail, or subscribe:\n{subscribe}"
        yield failed(name, f"{topic.rpartition(':')[2]} has {waiting}", remedy)
