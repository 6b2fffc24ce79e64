"""``aws s3 cp - | gzip -dc | aws s3 cp -``, in a function that has the command."""

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.peers.where import ends

AWS = shlex.quote(str(Path(sys.executable).with_name("aws")))


def handler(event: dict[str, Any], _context: object) -> None:
    bucket, key, target, name = ends(event)
    source, sink = shlex.quote(f"s3://{bucket}/{key}"), shlex.quote(f"s3://{target}/{name}")
    line = f"set -o pipefail; {AWS} s3 cp {source} - | gzip -dc | {AWS} s3 cp - {sink}"
    subprocess.run(["bash", "-c", line], check=True)
