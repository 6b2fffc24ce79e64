"""The release of this package: the layer of a stack has no metadata that would say it. pyproject.toml has it too."""

VERSION = "0.1.0"
