"""Parquet: the footer of a file, and the Thrift that it is written in."""
