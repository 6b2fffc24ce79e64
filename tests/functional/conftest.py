"""Fixtures of all functional tests."""

from __future__ import annotations

from service_models import shared_service_models

__all__ = ["shared_service_models"]
