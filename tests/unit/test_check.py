"""A check that could not be made is not a failed check."""

from __future__ import annotations

from penstock.model.check import Check, failed


def test_only_failed_checks_are_failures() -> None:
    wrong = Check("TLS", False, "the connection is not encrypted", "Set sslmode=require in the DSN.")

    assert failed([Check("server", None, "PostgreSQL 18"), Check("role", True, "loader"), wrong]) == (wrong,)
