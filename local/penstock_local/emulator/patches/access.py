"""Who may do what."""
# ruff: noqa: SLF001  # the version is pinned and checked: its private names are what there is to correct

from __future__ import annotations

from contextvars import ContextVar

from ministack import app  # type: ignore[import-not-found]  # lives in a virtual environment of its own
from ministack.core import iam_evaluator  # type: ignore[import-not-found]  # the same


def count_loopback_as_tls() -> None:
    """A request over loopback has ``aws:SecureTransport: true``.

    AWS is reached over TLS, and the template's policies deny anything else. The emulator speaks plain HTTP, on
    127.0.0.1 only; without this those policies would refuse every request and every notification.
    """
    origin = ContextVar("origin", default=("127.0.0.1", True))
    iam_evaluator._request_origin = origin
    app.pin_request_origin = lambda address, _secure: origin.set((address, True))
