"""Jobs that are ready to be computed, with their data: those that ship, and those that were handed in.

A process that computes for others (a node's worker, a wallet) keeps one shelf. Data are handed in once, as
the blob that the job names, and checked against the job's roots before anything is computed with them.
"""

from collections import OrderedDict
from typing import Final

from poi.evolution import OpenJob, make_open_job, open_job
from poi.job import StandingJob
from poi.training import verify_training_data

SHELF_JOBS_MAX: Final = 64
"""Jobs kept, as many as a board holds; the one used longest ago goes first. At most 64 MiB of data."""


class JobShelf:
    """Opened jobs by their parameters."""

    def __init__(self) -> None:
        self._opened: OrderedDict[StandingJob, OpenJob] = OrderedDict()

    def open(self, job: StandingJob, data: bytes = b"") -> OpenJob:
        """The job with its data.

        :param data: the blob of its training data; empty where the data ship, or were handed in before.
        :raises UnknownDataset: they do not, and were not.
        :raises OversizeEncoding, MalformedEncoding, InvalidDataset: ``data`` are not this job's.
        """
        opened = self._opened.get(job)
        if opened is None:
            if not data:
                return open_job(job)
            parts = verify_training_data(job, data)
            opened = self._opened[job] = make_open_job(job, parts.training, parts.holdout)
            if len(self._opened) > SHELF_JOBS_MAX:
                self._opened.popitem(last=False)
        self._opened.move_to_end(job)
        return opened
