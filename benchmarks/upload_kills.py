"""An upload that is killed again and again, and what that costs in bytes."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

COMMAND = str(Path(sys.executable).with_name("penstock"))


@dataclass(frozen=True)
class Outcome:
    """``received`` is what the server has counted over all runs; ``in_flight`` the most that kills may have cost."""

    size: int
    kills: int
    runs: int
    received: int
    in_flight: int
    identical: bool
    left_over: int

    @property
    def excess(self) -> int:
        return self.received - self.size


def environment(endpoint: str, home: Path) -> dict[str, str]:
    """One in which the commands find this server, and nothing of the machine's own AWS set-up."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "XDG_DATA_HOME": str(home / "data"),
    }


def counted(endpoint: str) -> dict[str, int]:
    """What the server has counted: bytes received, and requests by operation."""
    with urllib.request.urlopen(endpoint) as answer:
        counts = json.load(answer)
    return {"received": counts["received"], **counts["operations"]}


def upload_through_kills(
    file: Path,
    endpoint: str,
    home: Path,
    *,
    kills: int,
    seed: int,
    threads: int,
    part_size: int,
    delays: tuple[float, float],
) -> Outcome:
    """Upload ``file``; kill the command at ``kills`` random moments, ``delays`` seconds after it was started.

    Where it is done before it is killed so often, the rest of the kills hit uploads of the same file to other keys.
    """
    dice = random.Random(seed)
    done = runs = key = struck = 0
    started = counted(endpoint)["received"]
    while struck < kills or not done or done < key:
        key = max(key, done + 1)
        command = [COMMAND, "upload", str(file), f"s3://bucket/{key}", "--quiet"]
        command += ["--threads", str(threads), "--part-size", str(part_size)]
        runs += 1
        with subprocess.Popen(command, env=environment(endpoint, home)) as process:
            if struck < kills:
                try:
                    process.wait(dice.uniform(*delays))
                except subprocess.TimeoutExpired:
                    process.kill()
                    struck += 1
            code = process.wait()
        assert code in (0, -9), f"exit code {code}"
        done += code == 0
    # A server may still be reading what a killed client has sent.
    time.sleep(0.2)
    counts = counted(endpoint)
    return Outcome(
        size=file.stat().st_size * done,
        kills=struck,
        runs=runs,
        received=counts["received"] - started,
        in_flight=struck * threads * part_size,
        identical=all(_same(file, f"{endpoint}/bucket/{number}") for number in range(1, done + 1)),
        left_over=len(list((home / "data/penstock/uploads").iterdir())),
    )


def _same(file: Path, url: str) -> bool:
    with urllib.request.urlopen(url) as answer, file.open("rb") as source:
        return hashlib.file_digest(answer, "sha256").digest() == hashlib.file_digest(source, "sha256").digest()
