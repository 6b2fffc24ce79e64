"""Format a running stack."""

from __future__ import annotations

from textwrap import dedent

from penstock_cli.output import echo, echo_json
from penstock_local.stack import Stack


def show(stack: Stack, *, as_json: bool, lead: str = "Up") -> None:
    """Print endpoint and names, as JSON or as text."""
    if as_json:
        echo_json(stack.as_json())
    else:
        echo(*for_people(stack, lead))


def for_people(stack: Stack, lead: str) -> list[str]:
    """Return the names and the next commands."""
    exports = "\n".join(f"  export {name}={value}" for name, value in stack.environment.items())
    text = dedent(
        """\
        {lead} at {stack.endpoint} (process {stack.pid}, log {stack.log})

        source       s3://{stack.source_bucket}
        destination  s3://{stack.destination_bucket}
        work         s3://{stack.work_bucket}
        jobs         {stack.jobs_table}
        records      {stack.records_table}
        postgres     {stack.postgres_dsn}
        machine      {stack.state_machine}{tables}

        Any S3 client works against it:

        {exports}

          aws s3 cp big.csv.gz s3://{stack.source_bucket}/
          aws s3 ls s3://{stack.destination_bucket}/"""
    ).format(lead=lead, stack=stack, exports=exports, tables=_tables(stack))
    return text.splitlines()


def _tables(stack: Stack) -> str:
    if not stack.iceberg_catalog:
        return ""
    return f"\niceberg      {stack.iceberg_catalog}, for routes to iceberg:{stack.iceberg_namespace}.TABLE"
