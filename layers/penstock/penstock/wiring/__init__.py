"""Settings -> concrete adapters. Only these modules connect the core and the adapters.

`functions` and the modules that it imports are for the Lambda functions; the others are for commands. This file imports
nothing, so that a command does not load what only a function needs.
"""
