"""What each step of a node costs, as it is measured on the code that runs."""

from msgspec import Struct

US_PER_S = 1_000_000
"""Costs are in microseconds of one core."""


class TransactionCosts(Struct, frozen=True):
    """Of one transaction."""

    decode_us: float
    """Strict decoding, id, and the checks that need no context."""

    signature_us: float
    """Checking the issuer's signature; in a worker."""

    work_us: float
    """Recomputing its evaluation in a batch; in a worker."""

    attach_us: float
    """Into the sub-DAG."""

    order_us: float
    """Its share of ordering cones."""

    execute_us: float
    """Its share of executing a commit: effects, accounts, roots."""

    send_us: float
    """Sealing and opening its bytes and its announcements."""

    bytes: int
    """Length of its encoding."""

    @property
    def core_us(self) -> float:
        """Of the core process."""
        return self.decode_us + self.attach_us + self.order_us + self.execute_us + self.send_us

    @property
    def worker_us(self) -> float:
        """Of the workers."""
        return self.signature_us + self.work_us


class BlockCosts(Struct, frozen=True):
    """Of one committee block."""

    decode_us: float
    """Decoding and checking, without what it names."""

    decode_ancestor_us: float
    """More for each ancestor."""

    decode_tip_us: float
    """More for each tip."""

    accept_us: float
    """The committee core's work, its commit rule included, in a committee of no size."""

    accept_member_us: float
    """More for each validator of the committee."""

    signature_us: float
    """Checking one signature of a block or an attestation; in a worker."""

    make_us: float
    """Making, encoding, hashing and signing an own one."""

    base_bytes: int
    """Length without what it names."""

    ancestor_bytes: float
    """More for each ancestor."""

    tip_bytes: float
    """More for each tip."""

    attestation_bytes: float
    """More for each attestation."""

    def compute_core_us(self, members: int, tips: float) -> float:
        """Of the core process that takes in one block of a committee."""
        named = self.decode_ancestor_us * members + self.decode_tip_us * tips
        return self.decode_us + named + self.accept_us + self.accept_member_us * members

    def compute_bytes(self, members: int, tips: float, attestations: float) -> float:
        """Length of a block that names one block of each validator."""
        named = self.ancestor_bytes * members + self.tip_bytes * tips
        return self.base_bytes + named + self.attestation_bytes * attestations


class StepCosts(Struct, frozen=True):
    """Everything that is measured."""

    transaction: TransactionCosts
    block: BlockCosts
    checkpoint_us: float
    """Executing a commit, whatever it orders."""

    fold_us: float
    """Closing a generation: fold and score."""

    announce_bytes: float
    """One id in an announcement or a request."""

    frame_bytes: int
    """Around each message."""

    machine: str
    """Interpreter and processor on which it was measured."""
