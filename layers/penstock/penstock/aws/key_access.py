"""Who may use a KMS key: its policy and its grants."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from itertools import islice
from typing import Any

from penstock.aws.cli_errors import RUN_AGAIN, cli_errors

# A key has at most 50,000 grants. https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html
_PAGES = 500


class KmsKeys:
    """Implements ``Keys``. ``connect`` creates the client for the first call: most buckets have no key."""

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect

    @cached_property
    def _client(self) -> Any:
        return self._connect()

    def describe(self, key: str) -> Mapping[str, Any]:
        with _call("kms:DescribeKey", key):
            found: Mapping[str, Any] = self._client.describe_key(KeyId=key)["KeyMetadata"]
        return found

    def policy(self, key_arn: str) -> Mapping[str, Any]:
        with _call("kms:GetKeyPolicy", key_arn):
            answer = self._client.get_key_policy(KeyId=key_arn, PolicyName="default")
        found: Mapping[str, Any] = json.loads(answer["Policy"])
        return found

    def grants(self, key_arn: str) -> Sequence[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        with _call("kms:ListGrants", key_arn):
            pages = self._client.get_paginator("list_grants").paginate(
                KeyId=key_arn, PaginationConfig={"PageSize": 100}
            )
            for page in islice(pages, _PAGES):
                found += page["Grants"]
        return found

    def create_grant(self, key_arn: str, name: str, role: str, operations: Sequence[str]) -> None:
        """With a name, a retry is harmless. https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateGrant.html"""
        with _call("kms:CreateGrant", key_arn):
            self._client.create_grant(KeyId=key_arn, Name=name, GranteePrincipal=role, Operations=list(operations))

    def revoke_grant(self, key_arn: str, grant_id: str) -> None:
        with _call("kms:RevokeGrant", key_arn):
            self._client.revoke_grant(KeyId=key_arn, GrantId=grant_id)


def _call(action: str, key: str) -> AbstractContextManager[None]:
    return cli_errors(f"{action} on {key}", again=RUN_AGAIN)
