"""Reads how the resources of a stack are set. Nothing is changed."""
