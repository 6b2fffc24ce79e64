"""Uploads from this machine that go on where they stopped."""
