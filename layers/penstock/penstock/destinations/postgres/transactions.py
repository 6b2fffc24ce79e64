"""Transactions that are retried when they lose against others."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

import psycopg

from penstock.destinations.postgres.connect import Connection
from penstock.destinations.postgres.errors import is_lost_race

T = TypeVar("T")

# A deadlock takes PostgreSQL a second to notice; with these pauses eight loaders of the same keys get through.
ATTEMPTS = 8
PAUSE = 0.05  # seconds, doubled each time, of which a random part is slept


def transact(connection: Connection, work: Callable[[], T], sleep: Callable[[float], None], *, creating: bool) -> T:
    """Do ``work`` in a transaction; retry it when it loses against another one. Raises psycopg.Error.

    ``creating``: finding that another has just created the same is a lost race, too.
    """
    attempt = 1
    while True:
        try:
            with connection.transaction():
                return work()
        except psycopg.Error as error:
            if attempt == ATTEMPTS or not is_lost_race(error, creating=creating):
                raise
        sleep(PAUSE * 2**attempt * random.random())
        attempt += 1
