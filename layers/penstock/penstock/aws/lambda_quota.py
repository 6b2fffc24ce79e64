"""The Lambda concurrency quota of this account."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.aws.errors import translating
from penstock.errors import AccessDeniedError, ServiceUnavailableError

# The quota of a new account: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
NEW_ACCOUNT = 10


def lambda_concurrency(client: Callable[[], Any]) -> int:
    """Return the unreserved concurrency of the account; that of a new account if it cannot be read.

    https://docs.aws.amazon.com/lambda/latest/api/API_GetAccountSettings.html
    """
    try:
        with translating("lambda:GetAccountSettings"):
            limit = client().get_account_settings()["AccountLimit"]
    except (AccessDeniedError, ServiceUnavailableError):
        return NEW_ACCOUNT
    return int(limit["UnreservedConcurrentExecutions"])
