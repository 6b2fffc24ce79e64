"""Run transactions, and retry those that lose a race against another one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import psycopg

from penstock.aws.backoff import Backoff
from penstock.aws.retry import retrying
from penstock.destinations.postgres.connect import Connection
from penstock.destinations.postgres.errors import is_lost_race

T = TypeVar("T")

# PostgreSQL detects a deadlock after a second. With these delays, eight loaders of the same keys succeed.
RETRY_POLICY = Backoff(attempts=8, base=0.1, cap=6.4)


def transact(connection: Connection, work: Callable[[], T], sleep: Callable[[float], None], *, creating: bool) -> T:
    """Do ``work`` in a transaction; retry it if it loses a race against another one. Raises psycopg.Error.

    ``creating``: it is also a lost race if another transaction has just created the same thing.
    """

    def transaction() -> T:
        with connection.transaction():
            return work()

    lost = partial(is_lost_race, creating=creating)
    return retrying(transaction, on=psycopg.Error, when=lost, backoff=RETRY_POLICY, sleep=sleep)
