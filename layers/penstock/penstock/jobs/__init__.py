"""Jobs that run in one invocation: events, ingest, runner, small batches. Also the reconciler."""
