"""Tells of the jobs that ended: an event for each, and a message to a topic."""
