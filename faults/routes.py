"""The routes of all runs."""

from __future__ import annotations

from faults.after_kinds import AFTER_ROUTES

ROUTES = """
[[route]]
name = "replacing rows"
match = "*/archive-swap.*/*.csv"
destination = "postgresql:people"
[route.table]
mode = "replace"
columns = [{ name = "id", type = "integer", nullable = false }, { name = "name" }]

[[route]]
name = "archive"
match = "*/archive-*.tar"
archive = "members"

[[route]]
name = "member"
match = "*/archive-*.tar/*"
destination = "s3://{destination_bucket}/{key}"

[[route]]
name = "bucket"
match = ["*/bucket-*.gz", "*/bucket-*.xz"]
destination = "s3://{destination_bucket}/{stem}"

[[route]]
name = "copy"
match = "*/bucket-*"
destination = "s3://{destination_bucket}/{key}"

[[route]]
name = "lake"
match = "*/lake-*"
destination = "parquet:s3://{destination_bucket}/{dir}"
max_rejects = 1000
[route.table]
partition_by = ["part"]
columns = [{ name = "id", type = "integer", nullable = false }, { name = "name" }, { name = "part" }]

[[route]]
name = "dynamodb"
match = "*/dynamodb-*"
destination = "dynamodb:{records_table}"
max_rejects = 1000
[route.table]
columns = [{ name = "id", nullable = false }, { name = "name" }, { name = "n", type = "integer" }]
""" + "".join(
    f"""
[[route]]
name = "{mode}"
match = "*/{mode}-*"
destination = "postgresql:people"
max_rejects = 1000
[route.table]
mode = "{mode}"
key = ["id"]
columns = [{{ name = "id", type = "integer", nullable = false }}, {{ name = "name" }}]
"""
    for mode in ("append", "upsert", "replace")
)
# A secret in the emulator, and what it holds.
ARCHIVE_SECRET, ARCHIVE_PASSWORD = "archive-password", "correct horse"
ROUTES += f"""
[[route]]
name = "encrypted archives"
match = ["*/archive-encrypted*.zip"]
archive = "members"
password_secret = "{ARCHIVE_SECRET}"
"""
ROUTES = AFTER_ROUTES + ROUTES
_ICEBERG_COLUMNS = """
columns = [{ name = "id", type = "integer", nullable = false }, { name = "name" }, { name = "part" }]
"""
_ICEBERG = "".join(
    f"""
[[route]]
name = "iceberg {name}"
match = "*/iceberg-{name}-*"
destination = "iceberg:NAMESPACE.people"
max_rejects = 1000
[route.table]
{options}{_ICEBERG_COLUMNS}"""
    for name, options in (
        ("append", 'create = true\npartition_by = ["part"]'),
        ("replace", 'mode = "replace"'),
        ("evolve", 'create = true\nevolve = "add"'),
    )
)
ROUTES += """
[[route]]
name = "archives"
match = ["*/archive-*.zip", "*/archive-*.tar.gz"]
archive = "members"

[[route]]
name = "archived rows"
match = "*/archive-*/*.csv"
destination = "postgresql:people"
[route.table]
columns = [{ name = "id", type = "integer", nullable = false }, { name = "name" }]

[[route]]
name = "archived files"
match = "*/archive-*/*"
destination = "s3://{destination_bucket}/{archive}/{member}"
"""


def routes_of(namespace: str) -> str:
    """The routes of a run. ``namespace`` is that of its Iceberg table."""
    return ROUTES + _ICEBERG.replace("NAMESPACE", namespace)
