"""Where MiniStack 1.5.33 differs from AWS in something that Penstock relies on.

One function per difference, one for speed, and one that notes who did what. Its docstring says what AWS does, and a
test in tests/contract holds it against the running emulator. These modules run inside MiniStack's own interpreter: they
may import the standard library and MiniStack only. S3 requests are handled one at a time on one event loop, which they
rely on.
"""

from __future__ import annotations

from pathlib import Path

from penstock_local.emulator.patches import access, checksums, functions, initiators, machines, multipart, reads

# In the state directory, which is where the emulator runs.
ACCESS_LOG = "access.jsonl"


def apply_all() -> None:
    """Once, before the first request."""
    access.count_loopback_as_tls()
    access.note_decisions(Path(ACCESS_LOG).absolute())
    functions.take_concurrency_for_a_number()
    functions.name_errors_by_their_class()
    machines.start_once()
    machines.stay_stopped()
    machines.obey_concurrency_path()
    machines.start_no_child_in_vain()
    machines.act_under_the_machines_role()
    reads.serve_ranges_of_versions()
    access.let_wildcards_match_line_ends()
    access.hide_missing_objects_from_strangers()
    access.name_who_began_uploads()
    checksums.accept_full_object()
    checksums.verify_full_object()
    checksums.report_full_object()
    multipart.hash_parts_once()
    initiators.name_initiators()
    # Checked before anything is completed, conditions first, then the order.
    multipart.check_part_sizes_at_completion()
    multipart.check_part_order_at_completion()
    multipart.refuse_completion_after_a_write()
