"""Frozen values that the parts of Penstock exchange."""
