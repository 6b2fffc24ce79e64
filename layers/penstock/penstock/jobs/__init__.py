"""Jobs in one invocation: events, ingest, runner, small batches; and the reconciler."""
