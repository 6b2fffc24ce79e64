"""XML: records at a path of elements."""
