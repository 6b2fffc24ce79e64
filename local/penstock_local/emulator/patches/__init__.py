"""Patches for differences between MiniStack 1.5.33 and AWS that Penstock depends on.

Each difference has one function. Two more functions are for speed, and one logs access decisions. A docstring says what
AWS does, and a test in tests/contract verifies it on the running emulator. These modules run in MiniStack's own
interpreter and may import only the standard library and MiniStack. They rely on the fact that one event loop handles
S3 requests one at a time.
"""

from __future__ import annotations

from pathlib import Path

from penstock_local.emulator.patches import (
    access,
    buckets,
    catalogs,
    checksums,
    copies,
    events,
    functions,
    initiators,
    machines,
    multipart,
    provisioners,
    reads,
    simulation,
    streams,
)

# In the state directory, which is the emulator's working directory.
ACCESS_LOG = "access.jsonl"


def apply_all() -> None:
    """Apply all patches. Called once, before the first request."""
    access.count_loopback_as_tls()
    access.log_decisions(Path(ACCESS_LOG).absolute())
    functions.unpack_layers_once()
    functions.convert_maximum_concurrency()
    functions.gather_messages_for_batching_window()
    functions.name_errors_by_class()
    machines.make_start_idempotent()
    machines.keep_stopped_executions_aborted()
    machines.obey_concurrency_path()
    machines.start_no_child_after_failure()
    machines.enforce_state_machine_role()
    reads.serve_ranges_of_versions()
    access.match_line_ends_with_wildcards()
    access.allow_batches_with_single_actions()
    access.hide_missing_objects_without_list_permission()
    buckets.check_expected_owner()
    buckets.refuse_overlapping_notifications()
    checksums.accept_full_object()
    checksums.verify_full_object()
    checksums.report_full_object()
    checksums.checksum_copied_parts()
    copies.check_conditions_of_copies()
    copies.keep_tags_of_uploads()
    multipart.hash_parts_once()
    streams.process_streams_as_lambda_does()
    events.name_versions_to_eventbridge()
    events.ask_queue_policies()
    provisioners.apply_time_to_live()
    provisioners.apply_lifecycle_rules()
    provisioners.split_and_join_in_conditions()
    simulation.simulate_every_resource_within_the_boundary()
    initiators.name_initiators()
    catalogs.ask_for_catalog_and_database_of_a_table()
    catalogs.guard_files_of_tables()
    # The last patch is the outermost: conditions are checked first, then the order, then the sizes.
    multipart.check_part_sizes_at_completion()
    multipart.check_part_order_at_completion()
    multipart.refuse_completion_after_a_write()
