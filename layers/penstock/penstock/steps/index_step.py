"""`index`: a stretch of the pass over a compressed source, or the survey of one piece of a plain one."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.index.boundaries import Text
from penstock.pipeline import naming
from penstock.ports import Deadline, ObjectStore, WorkFiles
from penstock.steps import surveying
from penstock.steps.indexing import IndexPass
from penstock.steps.planning import Sizes, codec_of, index_of
from penstock.steps.ticket import TEXT, TICKET, Folder, Ticket


@dataclass(frozen=True, slots=True)
class Indexer:
    """Counts what a plan needs to know, as far as the time reaches. ``margin`` in seconds."""

    objects: ObjectStore
    files: WorkFiles
    sizes: Sizes
    margin: float

    def __call__(self, job_id: str, execution: str, piece: object, deadline: Deadline) -> dict[str, object]:  # noqa: ARG002  # an index belongs to the source, not to an execution
        """Go on with the index, or survey ``piece`` where there is one; answers whether it is done."""
        folder = Folder(self.files, job_id)
        ticket = folder.get(Ticket, TICKET)
        job = ticket.job
        with naming(job.source):
            if piece is not None:
                surveying.answer(self.objects, folder, piece)
                return {"done": True}
            codec = codec_of(self.objects, ticket, self.sizes)
            index = index_of(self.files, job.source, codec, self.sizes, folder.find(Text, TEXT))
            stretch = IndexPass(index, job.route, self.objects, self.sizes.budget, deadline, self.margin)
            return {"done": stretch.run()}
