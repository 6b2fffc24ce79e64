"""The rules of the default event bus, in EventBridge."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from penstock.aws.cli_errors import RUN_AGAIN, cli_errors


class EventBridgeRules:
    """Implements ``Rules``. ``connect`` creates the client."""

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect

    @cached_property
    def _client(self) -> Any:
        return self._connect()

    def patterns(self) -> Mapping[str, Mapping[str, Any]]:
        """A bus has at most 300 rules, unless the quota was raised.

        https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
        """
        found = {}
        with cli_errors("events:ListRules on the default event bus", again=RUN_AGAIN):
            for page in self._client.get_paginator("list_rules").paginate():
                for rule in page["Rules"]:
                    if rule.get("EventPattern") and rule.get("State") != "DISABLED":
                        found[rule["Name"]] = json.loads(rule["EventPattern"])
        return found

    def targets(self, rule: str) -> Sequence[str]:
        """A rule has at most five targets, by the same page."""
        with cli_errors(f"events:ListTargetsByRule on {rule}", again=RUN_AGAIN):
            return [target["Arn"] for target in self._client.list_targets_by_rule(Rule=rule)["Targets"]]
