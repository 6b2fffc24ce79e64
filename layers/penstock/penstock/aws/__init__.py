"""AWS services: sessions, errors, S3, the jobs table, queues and events."""
