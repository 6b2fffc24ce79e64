"""Undo what --apply has set, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

from penstock.connect import notifications
from penstock.connect.applying import Applier
from penstock.connect.events import is_about
from penstock.connect.key_policy import own_grants, usable_key
from penstock.connect.model import Connection, Side, StackTarget
from penstock.connect.needs import sids_of
from penstock.connect.notifications import EVENTBRIDGE, TOPICS, rules_of
from penstock.connect.policies import statements_of, without_sids
from penstock.connect.ports import Services
from penstock.connect.topic import own_sids, policy_of


class Remover:
    """Removes one connection. The events stop first."""

    def __init__(
        self,
        services: Services,
        applier: Applier,
        connection: Connection,
        stack: StackTarget,
    ) -> None:
        self._services = services
        self._applier = applier
        self._connection = connection
        self._stack = stack
        self._topics_told: set[str] = set()

    def remove(self) -> Iterator[str]:
        """Yield what was removed, and what was left."""
        others = self._other_prefixes()
        yield from self._notifications()
        if others:
            yield f"left what is set for the whole bucket: the prefix {others[0]!r} is connected too"
        else:
            yield from self._topics()
            yield from self._eventbridge()
            yield from self._grants()
        yield from self._statements(shared=not others)
        if self._connection.prefix in self._applier.record.prefixes:
            self._applier.record.prefixes.remove(self._connection.prefix)
            self._applier.save()
        self._applier.check_seen()

    def _other_prefixes(self) -> list[str]:
        """The other prefixes of this bucket that are connected: on record, or by their notifications."""
        name = self._stack.id_for(self._connection)
        told = [
            rule.prefix
            for rule in rules_of(self._services.bucket.notifications())
            if rule.id.startswith(self._stack.own_ids) and rule.id != name
        ]
        on_record = [prefix for prefix in self._applier.record.prefixes if prefix != self._connection.prefix]
        return on_record + (told if self._connection.side is Side.SOURCE else [])

    def _notifications(self) -> Iterator[str]:
        name = self._stack.id_for(self._connection)
        if self._connection.side is Side.DESTINATION:
            return
        ours = [rule for rule in rules_of(self._services.bucket.notifications()) if rule.id == name]
        if ours:
            self._topics_told = {rule.arn for rule in ours if rule.kind == TOPICS}
            self._applier.change_notifications(lambda before: notifications.without_ids(before, [name]))
            yield f"removed the notification configuration {name}"

    def _topics(self) -> Iterator[str]:
        subscribed = set(self._applier.record.subscriptions)
        for topic in sorted((self._topics_told | subscribed | {self._connection.topic}) - {""}):
            yield from self._topic_statements(topic)
        yield from self._subscriptions()

    def _eventbridge(self) -> Iterator[str]:
        bucket = self._connection.bucket
        if self._connection.side is Side.DESTINATION or EVENTBRIDGE not in self._services.bucket.notifications():
            return
        if not self._applier.record.eventbridge:
            yield (f"left EventBridge on for {bucket}: {self._applier.path} does not say that connect turned it on")
            return
        others = [
            name
            for name, pattern in self._services.rules.patterns().items()
            if is_about(pattern, bucket) and not self._is_of_stack(name)
        ]
        if others:
            yield f"left EventBridge on for {bucket}: the rule {others[0]} may need its events"
            return
        self._applier.change_notifications(notifications.without_eventbridge)
        self._applier.record.eventbridge = False
        self._applier.save()
        yield "turned EventBridge off for the bucket"

    def _is_of_stack(self, rule: str) -> bool:
        return self._stack.queue_arn in self._services.rules.targets(rule)

    def _topic_statements(self, topic: str) -> Iterator[str]:
        topics, sids = self._services.topics, own_sids(self._connection, self._stack)
        standing = [one["Sid"] for one in statements_of(policy_of(topics.attributes(topic))) if one.get("Sid") in sids]
        if standing:
            self._applier.change_topic_policy(topic, lambda policy: without_sids(policy, sids))
            yield f"removed {', '.join(standing)} from the policy of {topic}"

    def _subscriptions(self) -> Iterator[str]:
        for topic, arn in list(self._applier.record.subscriptions.items()):
            self._services.subscriber.unsubscribe(arn)
            del self._applier.record.subscriptions[topic]
            self._applier.save()
            yield f"removed the subscription {arn}"

    def _statements(self, *, shared: bool) -> Iterator[str]:
        sids = sids_of(self._connection, self._stack, shared=shared)
        standing = [one["Sid"] for one in statements_of(self._services.bucket.policy()) if one.get("Sid") in sids]
        if standing:
            self._applier.change_policy(lambda policy: without_sids(policy, sids))
            yield f"removed {', '.join(standing)} from the bucket policy"

    def _grants(self) -> Iterator[str]:
        keys = self._services.keys
        key = usable_key(self._services.bucket, keys)
        if not key:
            return
        for grant in own_grants(keys.grants(key), self._connection, self._stack):
            keys.revoke_grant(key, grant["GrantId"])
            yield f"revoked the grant {grant['Name']} on {key}"
