"""``aws s3 cp``, ``unzip`` and ``aws s3 cp`` again, in a function that has the commands."""

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.peers.where import ends

AWS = shlex.quote(str(Path(sys.executable).with_name("aws")))


def handler(event: dict[str, Any], _context: object) -> None:
    bucket, key, target, _ = ends(event)
    with tempfile.TemporaryDirectory() as folder:
        source, sink = shlex.quote(f"s3://{bucket}/{key}"), shlex.quote(f"s3://{target}/")
        line = f"{AWS} s3 cp {source} a.zip && unzip -q a.zip -d out && {AWS} s3 cp --recursive out {sink}"
        subprocess.run(["bash", "-c", line], check=True, cwd=folder)
