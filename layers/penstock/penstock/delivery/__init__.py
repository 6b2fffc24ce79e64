"""Deliver one source or one span: decode, parse, check, write."""
