"""What can go wrong on this machine rather than in a job."""

from __future__ import annotations

from penstock.errors import PermanentError


class LocalStackError(PermanentError):
    """The local stack could not be started, deployed or reached; the message says which and why."""
