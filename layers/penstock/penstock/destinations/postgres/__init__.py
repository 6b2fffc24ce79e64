"""The destination for tables in PostgreSQL."""
