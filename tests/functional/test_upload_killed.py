"""`penstock upload` killed repeatedly at random moments, with a server that counts the received bytes."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.upload_kills import upload_through_kills
from benchmarks.upload_server import upload_server

from penstock.limits import MIB


def test_an_upload_killed_at_any_moment_completes_and_sends_again_only_what_was_in_flight(tmp_path: Path) -> None:
    file = tmp_path / "big"
    file.write_bytes(os.urandom(60_000_000))
    # So slow that twelve runs of about a second do not complete the upload.
    with upload_server("--rate", "3000000") as endpoint:
        outcome = upload_through_kills(
            file, endpoint, tmp_path, kills=12, seed=7, threads=3, part_size=5 * MIB, delays=(0.2, 1.4)
        )
    assert outcome.kills == 12
    assert outcome.identical
    assert 0 <= outcome.excess <= outcome.in_flight
    assert outcome.left_over == 0
