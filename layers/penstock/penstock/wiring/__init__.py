"""Settings -> concrete adapters. The only place where the core and the adapters meet.

`deployed` is for the Lambda functions; each other module is for one command. Nothing is imported here: a command should
not pay for what only a function needs.
"""
