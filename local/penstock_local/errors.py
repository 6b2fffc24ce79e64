"""Errors of this machine, as opposed to errors of a job."""

from __future__ import annotations

from penstock.errors import PermanentError


class LocalStackError(PermanentError):
    """The local stack could not be started, deployed or reached. The message says which, and why."""
