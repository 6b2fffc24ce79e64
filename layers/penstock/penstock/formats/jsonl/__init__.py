"""JSON Lines: a JSON value on each line."""
