"""Paid standing jobs in the store: what each is, when it came on the board, and its data.

==================  ================================  =====================================================
table               key                               value
==================  ================================  =====================================================
paid_jobs           job                               record of the job
paid_list           checkpoint index, job             (empty)
training_data       blob id                           the blob
==================  ================================  =====================================================

All of it is history: a job's generations, its lineage and the work of old transactions can be computed again
only with its data, so these stay as long as the rest, whatever becomes of the blob that they came in.
"""

from typing import Annotated, Final

from msgspec import Meta, Struct

from poi.job import JOB_SIZE_MAX
from tangle.core.blob_id import BLOB_ID_SIZE_MAX, BlobId
from tangle.core.encoding import decode, encode
from tangle.core.types import CheckpointIndex, Digest, JobId
from tangle.store.keys import compute_sequence_key
from tangle.store.store import Store, Table, WriteBatch

JOB: Final = b"job-"
"""State of a standing job among the scalars, its id appended."""

PAGE: Final = 1_000
"""Rows read at a time where a whole table is wanted."""

RECORD_SIZE_MAX: Final = 2_048
"""Longest record in bytes: parameters, a blob id, and a few numbers."""


class PaidJob(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A standing job that a customer pays for."""

    name: Digest
    """The market's job."""

    parameters: Annotated[bytes, Meta(max_length=JOB_SIZE_MAX)]
    """The encoded standing job, its seed included."""

    data: Annotated[bytes, Meta(max_length=BLOB_ID_SIZE_MAX)]
    """The blob of its data."""

    opened: CheckpointIndex
    """Checkpoint that put it on the board."""


class TrainingArchive:
    """Reads and writes these tables."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put_job(self, batch: WriteBatch, job: JobId, record: PaidJob, content: bytes) -> None:
        """Add a job that came on the board, with its data."""
        batch.put(Table.PAID_JOBS, job, encode(record))
        batch.put(Table.PAID_LIST, compute_sequence_key(record.opened) + job, b"")
        batch.put(Table.TRAINING_DATA, record.data, content)

    def drop_state(self, batch: WriteBatch, job: JobId) -> None:
        """Forget the state of a job that left the board; its generations stay."""
        batch.delete(Table.META, JOB + job)

    def get_job(self, job: JobId) -> PaidJob | None:
        """A paid job that is or was on the board."""
        value = self._store.get(Table.PAID_JOBS, job)
        return None if value is None else decode(PaidJob, value, limit=RECORD_SIZE_MAX)

    def get_content(self, data: BlobId) -> bytes | None:
        """The data of a job that is or was on the board."""
        return self._store.get(Table.TRAINING_DATA, data)

    def list_data(self) -> set[BlobId]:
        """Blobs of all of them."""
        found: set[BlobId] = set()
        start = b""
        while rows := self._store.scan(Table.PAID_JOBS, start, None, limit=PAGE):
            found.update(BlobId(decode(PaidJob, value, limit=RECORD_SIZE_MAX).data) for _, value in rows)
            start = rows[-1][0] + b"\x00"
        return found

    def list_latest(self, limit: int) -> tuple[JobId, ...]:
        """Paid jobs, the one opened last first."""
        rows = self._store.scan(Table.PAID_LIST, b"", None, limit=limit, reverse=True)
        return tuple(JobId(key[8:]) for key, _ in rows)
