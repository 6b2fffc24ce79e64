"""What finds jobs that nobody works on any more, and begins or ends them: the scheduled function `reconcile`."""
