"""Shows what would happen to a source, without changing anything."""
