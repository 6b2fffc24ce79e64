"""Resumable uploads from this machine."""
