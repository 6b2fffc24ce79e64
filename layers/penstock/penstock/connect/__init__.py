"""Connect a bucket that exists to a stack: show what stands and what is missing, and set it on request."""
