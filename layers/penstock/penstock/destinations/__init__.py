"""The kinds of places to deliver to: a folder each."""
