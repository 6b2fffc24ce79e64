"""The destination for Iceberg tables."""
