"""Small texts in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from penstock.errors import ConfigurationError


@dataclass(slots=True)
class MemoryTexts:
    """Implements ``Texts`` over ``texts``, by URI. Change them as a deployment would."""

    texts: dict[str, str] = field(default_factory=dict)

    def read(self, uri: str) -> str:
        if uri not in self.texts:
            raise ConfigurationError(f"{uri}: no such file")
        return self.texts[uri]
