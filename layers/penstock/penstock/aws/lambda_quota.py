"""How many invocations this account may run at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.aws.errors import translating
from penstock.errors import AccessDeniedError, ServiceUnavailableError

# What a new account may have: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
NEW_ACCOUNT = 10


def lambda_concurrency(client: Callable[[], Any]) -> int:
    """What is not reserved of the account's quota; that of a new account where nobody may or can tell.

    https://docs.aws.amazon.com/lambda/latest/api/API_GetAccountSettings.html
    """
    try:
        with translating("lambda:GetAccountSettings"):
            limit = client().get_account_settings()["AccountLimit"]
    except (AccessDeniedError, ServiceUnavailableError):
        return NEW_ACCOUNT
    return int(limit["UnreservedConcurrentExecutions"])
