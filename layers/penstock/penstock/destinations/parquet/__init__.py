"""The destination for Parquet files."""
