"""`index`: one invocation of the pass over a compressed source, or the survey of one piece of a plain source."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from penstock.delivery.decoding import naming
from penstock.delivery.member_store import MemberObjects
from penstock.formats.boundaries import Text
from penstock.large_jobs import survey as surveying
from penstock.large_jobs.decoded_ranges import archive_index
from penstock.large_jobs.encoded_source import encoded_name
from penstock.large_jobs.heartbeat import HEARTBEAT_SECONDS, UnitHeartbeat
from penstock.large_jobs.index_pass import IndexPass
from penstock.large_jobs.job_files import JOB_SPEC, TEXT, JobFolder, JobSpec
from penstock.large_jobs.plan import Sizes, codec_of, index_of
from penstock.large_jobs.ports import ExecutionStore, WorkFiles
from penstock.large_jobs.survey import Piece
from penstock.model.job import Progress
from penstock.model.job_status import Stage
from penstock.model.serialization import from_plain
from penstock.model.source import Deadline


@dataclass(frozen=True, slots=True)
class IndexStep:
    """Finds the boundaries that a plan needs, until time runs out. ``margin`` is in seconds."""

    objects: MemberObjects
    files: WorkFiles
    executions: ExecutionStore
    sizes: Sizes
    margin: float
    heartbeat_seconds: float = HEARTBEAT_SECONDS
    clock: Callable[[], float] = time.monotonic

    def __call__(self, job_id: str, execution: str, item: object, deadline: Deadline) -> dict[str, object]:
        """Resume the index, or survey the piece ``item``, if given. Returns whether it is done."""
        folder = JobFolder(self.files, job_id)
        spec = folder.get(JobSpec, JOB_SPEC)
        job = spec.job
        piece = None if item is None else from_plain(Piece, item)
        unit = 0 if piece is None else piece.number
        heartbeat = UnitHeartbeat(self.executions, execution, Stage.READ, unit, self.heartbeat_seconds, self.clock)
        with naming(job.source):
            if piece is not None:
                surveying.survey_piece(self.objects, folder, piece, heartbeat)
                self.executions.record_progress(execution, Stage.READ, unit, Progress(piece.end - piece.start))
                return {"done": True}
            codec = codec_of(self.objects, spec, self.sizes)
            encoded = encoded_name(job.source, codec) or codec
            index = (
                archive_index(self.files, job.source, codec, self.sizes.index_spacing)
                if job.route.takes_apart
                else index_of(self.files, job.source, encoded, self.sizes, folder.find(Text, TEXT))
            )
            index_pass = IndexPass(index, job.route, self.objects, self.sizes.budget, deadline, self.margin, heartbeat)
            done = index_pass.run()
            if done:
                self.executions.record_progress(execution, Stage.READ, unit, Progress(job.source.encoded_size))
            return {"done": done}
