"""Scenarios of jobs that load an Iceberg table, which together use every right to catalogs and to files of tables."""

from __future__ import annotations

from collections.abc import Mapping

from faults import interference
from faults import lake_interference as lake
from faults.scenario_run import Scenario
from faults.scenarios import RETRIES, TRIES
from faults.schedule import Fault
from faults.scripted_run import ScriptedFault

ICEBERG_SCENARIOS: Mapping[str, Scenario] = {
    "small loads into an Iceberg table that they create, with another writer": Scenario(
        "iceberg", on_request={"Glue.UpdateTable": lake.append}
    ),
    "small loads into an Iceberg table, committed by a function that dies before the answer": Scenario(
        "iceberg", scripted_faults=[ScriptedFault("Glue.UpdateTable", Fault.KILL_AFTER)]
    ),
    "a small load into an Iceberg table whose catalog is throttled": Scenario(
        "iceberg-replace", scripted_faults=[ScriptedFault("Glue.GetTable", Fault.BUSY, TRIES, during="commit")]
    ),
    "a small load into an Iceberg table that nobody announces, found by the reconciler": Scenario(
        "iceberg-replace",
        scripted_faults=[ScriptedFault("SQS.SendMessage", Fault.KILL_BEFORE)],
        first=interference.first_attempt_then_reconcile,
        queue_silent=True,
    ),
    "a small load into an Iceberg table whose record is gone": Scenario(
        "iceberg-replace", "failed", before={"commit": lake.delete_records}
    ),
    "a small load into an Iceberg table whose data files were removed while it waited": Scenario(
        "iceberg-replace", "failed", before={"commit": lake.remove_data_files}
    ),
    "a large load into an Iceberg table, with another writer": Scenario(
        "large-iceberg", on_request={"Glue.UpdateTable": lake.append}
    ),
    "a large load into an Iceberg table that grows, with another writer": Scenario(
        "large-iceberg-evolve", first=lake.create, on_request={"Glue.UpdateTable": lake.append}
    ),
    "a large load into an Iceberg table, aborted after its spans were written, and redriven": Scenario(
        "large-iceberg-replace",
        scripted_faults=[ScriptedFault("PutObject /work/jobs", Fault.BUSY, TRIES * (1 + RETRIES), during="finish")],
        redrive=True,
        retries=RETRIES,
    ),
    "a large load into an Iceberg table whose commit is unheard and whose finish dies": Scenario(
        "large-iceberg-replace",
        scripted_faults=[ScriptedFault("Glue.UpdateTable", Fault.KILL_AFTER)],
        retries=0,
    ),
    "small loads into a table bucket, with another writer": Scenario(
        "iceberg-tables", on_request={"Iceberg.Commit": lake.append}
    ),
    "a large load into a table bucket, with another writer": Scenario(
        "large-iceberg-tables", on_request={"Iceberg.Commit": lake.append}
    ),
    "a large load into a table of a table bucket that grows": Scenario(
        "large-iceberg-evolve-tables", first=lake.create
    ),
    "a large load into a table bucket, aborted between record and completion, and redriven": Scenario(
        "large-iceberg-evolve-tables",
        scripted_faults=[ScriptedFault("CompleteUpload", Fault.BUSY, TRIES * 4)],
        redrive=True,
        retries=RETRIES,
    ),
    "a large load into a table bucket, aborted in its commit, and redriven": Scenario(
        "large-iceberg-tables",
        scripted_faults=[ScriptedFault("Iceberg.Commit", Fault.KILL_BEFORE, 1 + RETRIES)],
        retries=0,
        redrive=True,
    ),
}
