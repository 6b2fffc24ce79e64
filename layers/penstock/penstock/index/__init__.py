"""Entering a source in the middle."""
