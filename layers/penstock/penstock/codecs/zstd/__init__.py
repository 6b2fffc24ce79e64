"""zstd (RFC 8878)."""
