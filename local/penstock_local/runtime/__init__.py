"""Run a handler in the real Lambda runtime client, at the real size of its function, and say what it cost."""

from penstock_local.runtime.caps import CapsUnavailableError
from penstock_local.runtime.function import Function
from penstock_local.runtime.invocation import Invocation

__all__ = ["CapsUnavailableError", "Function", "Invocation"]
