"""The notification configuration of a bucket: what covers the wanted keys, what clashes with it, and how it is added.

S3 refuses two configurations that share an event type and have overlapping prefixes and overlapping suffixes.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from penstock.connect.model import Document

QUEUES, TOPICS, FUNCTIONS = "QueueConfigurations", "TopicConfigurations", "LambdaFunctionConfigurations"
EVENTBRIDGE = "EventBridgeConfiguration"
# The key that names the destination of a configuration.
DESTINATIONS = {QUEUES: "QueueArn", TOPICS: "TopicArn", FUNCTIONS: "LambdaFunctionArn"}

EVENT = "s3:ObjectCreated:*"
_CREATED = "s3:ObjectCreated:"
# Together they are EVENT. https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html
_KINDS = frozenset(f"{_CREATED}{kind}" for kind in ("Put", "Post", "Copy", "CompleteMultipartUpload"))


@dataclass(frozen=True, slots=True)
class Rule:
    """One configuration of a bucket. Prefix and suffix are encoded, as S3 wants them."""

    kind: str
    id: str
    arn: str
    events: frozenset[str]
    prefix: str
    suffix: str

    def __str__(self) -> str:
        keys = f"{self.prefix}*{self.suffix}"
        return f"{self.id} ({', '.join(sorted(self.events))} of {keys} to {self.arn})"

    @property
    def tells_of_created(self) -> bool:
        """Whether it tells of every object that is created below its prefix."""
        return not self.suffix and (EVENT in self.events or self.events >= _KINDS)


def rules_of(configuration: Document) -> Iterator[Rule]:
    """The configurations of queues, topics and functions."""
    for kind, destination in DESTINATIONS.items():
        for entry in configuration.get(kind, ()):
            rules = entry.get("Filter", {}).get("Key", {}).get("FilterRules", ())
            # S3 answers with "Prefix" what was set as "prefix".
            filters = {rule["Name"].lower(): rule.get("Value", "") for rule in rules}
            events = frozenset(entry.get("Events", ()))
            prefix, suffix = filters.get("prefix", ""), filters.get("suffix", "")
            yield Rule(kind, entry.get("Id", ""), entry.get(destination, ""), events, prefix, suffix)


def wanted_rule(kind: str, name: str, arn: str, prefix: str) -> Rule:
    """Return the configuration that tells of every object created below a prefix."""
    return Rule(kind, name, arn, frozenset({EVENT}), encoded(prefix), "")


def encoded(prefix: str) -> str:
    """Encode a prefix for a filter, as keys in events are: spaces become ``+``, other characters percent signs."""
    return quote_plus(prefix, safe="/-_.*()!'")


def entry_of(rule: Rule) -> dict[str, Any]:
    """Return a configuration of queue or topic as S3's API takes it."""
    entry: dict[str, Any] = {"Id": rule.id, DESTINATIONS[rule.kind]: rule.arn, "Events": sorted(rule.events)}
    if rule.prefix:
        entry["Filter"] = {"Key": {"FilterRules": [{"Name": "prefix", "Value": rule.prefix}]}}
    return entry


def is_covered(wanted: Rule, rules: Sequence[Rule]) -> Rule | None:
    """Return the configuration that already sends the wanted events to the wanted destination."""
    for rule in rules:
        same_way = (rule.kind, rule.arn) == (wanted.kind, wanted.arn)
        if same_way and rule.tells_of_created and wanted.prefix.startswith(rule.prefix):
            return rule
    return None


def clashes(wanted: Rule, rules: Sequence[Rule]) -> list[Rule]:
    """Return the configurations beside which S3 refuses the wanted one."""
    return [rule for rule in rules if rule.id != wanted.id and _overlap(wanted, rule)]


def _overlap(first: Rule, second: Rule) -> bool:
    return (
        any(_shares(one, other) for one in first.events for other in second.events)
        and _one_begins(first.prefix, second.prefix)
        and _one_begins(first.suffix[::-1], second.suffix[::-1])
    )


def _shares(one: str, other: str) -> bool:
    """Whether two event types have a type in common; ``:*`` stands for all of a family."""
    if one.endswith("*") or other.endswith("*"):
        return _one_begins(one.removesuffix("*"), other.removesuffix("*"))
    return one == other


def _one_begins(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def with_eventbridge(configuration: Document) -> dict[str, Any]:
    """Return the configuration with EventBridge on."""
    return {**configuration, EVENTBRIDGE: {}}


def without_eventbridge(configuration: Document) -> dict[str, Any]:
    """Return the configuration with EventBridge off."""
    return {key: value for key, value in configuration.items() if key != EVENTBRIDGE}


def with_entry(configuration: Document, kind: str, entry: Document, replaced: Sequence[str] = ()) -> dict[str, Any]:
    """Return the configuration with one entry more, in place of those with its id or a replaced one."""
    kept = [one for one in configuration.get(kind, ()) if one.get("Id") not in {entry["Id"], *replaced}]
    return {**configuration, kind: [*kept, entry]}


def without_ids(configuration: Document, ids: Sequence[str]) -> dict[str, Any]:
    """Return the configuration without the entries that have these ids."""
    kept = dict(configuration)
    for kind in DESTINATIONS:
        left = [one for one in configuration.get(kind, ()) if one.get("Id") not in ids]
        if left:
            kept[kind] = left
        else:
            kept.pop(kind, None)
    return kept


def same(one: Document, other: Document) -> bool:
    """Whether two configurations mean the same: S3 neither keeps the order nor the case of filters."""
    return _normal(one) == _normal(other)


def differences(before: Document, after: Document) -> tuple[list[str], list[str]]:
    """Return what is only before, and what is only after, as lines for a user."""
    first, second = _lines(before), _lines(after)
    return sorted(first - second), sorted(second - first)


def _normal(configuration: Document) -> tuple[frozenset[Rule], bool]:
    return frozenset(rules_of(configuration)), EVENTBRIDGE in configuration


def _lines(configuration: Document) -> set[str]:
    return {str(rule) for rule in rules_of(configuration)} | ({"EventBridge"} & {_bridge(configuration)})


def _bridge(configuration: Mapping[str, Any]) -> str:
    return "EventBridge" if EVENTBRIDGE in configuration else ""
