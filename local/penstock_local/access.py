"""The requests that were made under the roles of an emulated account: each kind once, allowed or refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from penstock_local.account import Account

ALLOWED = "Allow"


@dataclass(frozen=True, slots=True)
class Decision:
    """``resource`` is the resource pattern of the policy that allowed the request, or the refused resource."""

    role: str
    session: str
    action: str
    resource: str
    allowed: bool

    def __str__(self) -> str:
        return f"{self.role} was {'allowed' if self.allowed else 'refused'} {self.action} on {self.resource}"


def decisions(account: Account, session: str = "") -> Iterator[Decision]:
    """All decisions so far on requests under roles, or only those of one session."""
    with suppress(FileNotFoundError), Path(account.access_log).open() as log:
        for line in log:
            if f"/{session}" not in line:
                continue
            entry = json.loads(line)
            _, _, principal = entry["principal"].partition(":assumed-role/")
            role, _, found = principal.partition("/")
            if role and session in ("", found):
                yield Decision(role, found, entry["action"], entry["resource"], entry["decision"] == ALLOWED)
