"""``aws s3 cp - | psql -c "\\copy ... from stdin"``, in a function that has both commands."""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.peers.where import ends

AWS = shlex.quote(str(Path(sys.executable).with_name("aws")))
COPY = shlex.quote("\\copy sightings from stdin (format csv, header)")


def handler(event: dict[str, Any], _context: object) -> None:
    bucket, key, *_ = ends(event)
    source, database = shlex.quote(f"s3://{bucket}/{key}"), shlex.quote(os.environ["PENSTOCK_POSTGRES_DSN"])
    line = f"set -o pipefail; {AWS} s3 cp {source} - | psql -qX {database} -c {COPY}"
    subprocess.run(["bash", "-c", line], check=True)
