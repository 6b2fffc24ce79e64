"""The process that decodes Parquet is slow or fails in the middle of what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.errors import CorruptSourceError
from penstock.formats.parquet import decoder
from penstock.limits import MIB

SLOW_PANIC = """
import sys, time
for line in ("thread 'main' panicked at src/lib.rs:1:1:", "too many bits", "note: run with RUST_BACKTRACE=1"):
    print(line, file=sys.stderr, flush=True)
    time.sleep(0.2)
"""


def test_the_reason_of_a_panic_is_told_even_if_it_follows_late(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "panics.py").write_text(SLOW_PANIC, encoding="utf-8")
    monkeypatch.setattr(decoder, "_SCRIPT", tmp_path / "panics.py")
    with (
        (tmp_path / "file").open("wb") as file,
        decoder.Decoder(file.fileno(), 24 * MIB) as process,
        pytest.raises(CorruptSourceError, match="at its record 1: too many bits"),
    ):
        list(process.batches("row group 1", 1, 1, 0))
