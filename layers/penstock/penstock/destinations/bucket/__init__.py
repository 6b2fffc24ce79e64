"""Objects in a destination bucket."""
