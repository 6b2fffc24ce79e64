"""Runs a handler in the real Lambda runtime client, at the size of its function, and measures the cost."""

from penstock_local.runtime.caps import CapsUnavailableError
from penstock_local.runtime.function import Function
from penstock_local.runtime.invocation import Invocation

__all__ = ["CapsUnavailableError", "Function", "Invocation"]
