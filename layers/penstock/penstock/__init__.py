"""Penstock: S3 objects of any size into a bucket or a table, inside Lambda limits."""
