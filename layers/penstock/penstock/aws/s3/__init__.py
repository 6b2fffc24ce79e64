"""Reading and writing S3 objects."""
