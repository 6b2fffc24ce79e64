"""Delivers one source: decode, parse, check, write. In one pass or one span."""
