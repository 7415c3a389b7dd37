"""What a node says about its own work for the job market, to whoever asks through its doors."""

from enum import StrEnum

from msgspec import Struct

from tangle.core.blob_id import BlobId
from tangle.core.types import Digest, PublicKey


class Role(StrEnum):
    """As what a node takes part in a job."""

    WORKER = "worker"
    """It has the job."""

    VALIDATOR = "validator"
    """It examines something to vote on it."""

    CHALLENGER = "challenger"
    """It challenges a result."""


class Doing(Struct, frozen=True):
    """Something that this node is busy with now."""

    role: Role
    """As what."""

    about: Digest
    """The job or program."""

    what: str
    """What it does, for people."""

    since_ms: int
    """Wall time when it began."""


class JobsView(Struct, frozen=True):
    """The part of a node in the market."""

    account: PublicKey
    """Account that it acts with."""

    is_worker: bool
    """Whether it takes jobs."""

    is_validator: bool
    """Whether it votes."""

    is_away: bool
    """Whether it takes no more jobs, since a result of its own was found wrong."""

    doings: tuple[Doing, ...]
    """What it is busy with."""

    waiting_votes: int
    """Votes that are not counted yet."""

    held: tuple[BlobId, ...]
    """Blobs that are kept for the sake of live jobs."""

    done_total: int
    """Jobs whose result this node made since it started."""

    examined_total: int
    """Programs, results, games and data sets that it found out about."""

    sent_total: int
    """Operations that it sent."""

    failed_total: int
    """Operations that did not apply, tries included."""
