"""Run a job without Lambda, from a file, a pipe or a URI."""
