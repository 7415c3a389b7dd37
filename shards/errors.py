"""Faults of the committee's records and rules; every one is narrow and carries what offended."""

from tangle.core.errors import TangleError


class InvalidBlock(TangleError):
    """A block that breaks a rule whatever else exists; no accepted block can descend from it."""

    code = "block-invalid"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the block is invalid: {reason}")


class WrongEpoch(InvalidBlock):
    """A block of another epoch."""

    code = "block-epoch-wrong"

    def __init__(self, found: int, expected: int) -> None:
        self.found = found
        self.expected = expected
        super().__init__(f"made in epoch {found}, the committee is of epoch {expected}")


class UnknownAuthor(InvalidBlock):
    """An author outside the committee."""

    code = "block-author-unknown"

    def __init__(self, author: int, committee_size: int) -> None:
        self.author = author
        self.committee_size = committee_size
        super().__init__(f"author {author} is not one of the {committee_size} validators")


class InvalidAncestors(InvalidBlock):
    """Ancestors that break one of the rules for them."""

    code = "block-ancestors-invalid"


class BelowThreshold(InvalidBlock):
    """Ancestors of the round before that weigh less than a quorum."""

    code = "block-below-threshold"

    def __init__(self, round_number: int, weight: int, quorum: int) -> None:
        self.round_number = round_number
        self.weight = weight
        self.quorum = quorum
        super().__init__(f"names weight {weight} of round {round_number - 1}, a quorum is {quorum}")


class InvalidPayload(InvalidBlock):
    """Payload over a limit, repeated, or of a kind that version 1 does not have."""

    code = "block-payload-invalid"


class FaultBoundBroken(TangleError):
    """The DAG proves a third of the weight or more faulty. The node stops; it never chooses a side."""

    code = "fault-bound-broken"

    def __init__(self, round_number: int, author: int, digests: tuple[bytes, ...], reason: str) -> None:
        self.round_number = round_number
        self.author = author
        self.digests = digests
        super().__init__(f"a third of the weight is faulty: round {round_number}, author {author}: {reason}")


class BrokenCommitChain(TangleError):
    """Stored commit records that do not follow each other."""

    code = "commit-chain-broken"

    def __init__(self, index: int) -> None:
        self.index = index
        super().__init__(f"stored commit {index} does not follow the one before it; restore the store")


class ProposalNotDue(TangleError):
    """A proposal asked for in a round that this validator has signed already, or of an observer."""

    code = "proposal-not-due"

    def __init__(self, clock_round: int, last_round: int) -> None:
        self.clock_round = clock_round
        self.last_round = last_round
        super().__init__(f"the clock is at round {clock_round}, round {last_round} was signed before")


class WouldEquivocate(TangleError):
    """A second signature for a round at or below the last signed one, or for an earlier epoch."""

    code = "would-equivocate"

    def __init__(self, epoch: int, round_number: int, last_epoch: int, last_round: int) -> None:
        self.epoch = epoch
        self.round_number = round_number
        self.last_epoch = last_epoch
        self.last_round = last_round
        super().__init__(
            f"round {round_number} of epoch {epoch} may be signed already: "
            f"the last signed is round {last_round} of epoch {last_epoch}"
        )


class SupplyBroken(TangleError):
    """The books do not balance: grains appeared or vanished. The node stops before it signs."""

    code = "supply-broken"

    def __init__(self, issued: int, held: int) -> None:
        self.issued = issued
        self.held = held
        super().__init__(
            f"genesis + emitted - burned + inflow is {issued} grains but {held} are held; stop and report"
        )


class BrokenEpochChain(TangleError):
    """A checkpoint that is said to end an epoch, and does not."""

    code = "epoch-chain-broken"

    def __init__(self, epoch: int, reason: str) -> None:
        self.epoch = epoch
        self.reason = reason
        super().__init__(
            f"epoch {epoch} does not end so: {reason}; get the chain of epochs from another node"
        )


class EpochUnknown(TangleError):
    """A checkpoint of a committee that nobody told of."""

    code = "epoch-unknown"

    def __init__(self, epoch: int, latest: int) -> None:
        self.epoch = epoch
        self.latest = latest
        super().__init__(
            f"the committee of epoch {epoch} signed this, and only epochs up to {latest} are known; "
            "hand in the chain of epochs: tangle epochs export"
        )


class EvidenceFalse(TangleError):
    """Two blocks that do not show that anybody signed twice."""

    code = "evidence-false"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"this is no evidence of signing twice: {reason}")


class InvalidCertificate(TangleError):
    """Signatures that do not make a quorum for the stated checkpoint."""

    code = "certificate-invalid"

    def __init__(self, index: int, reason: str) -> None:
        self.index = index
        self.reason = reason
        super().__init__(f"the certificate of checkpoint {index} does not hold: {reason}")


class InvalidBundle(TangleError):
    """A bundle that is not what a checkpoint of another shard brings to this one."""

    code = "bundle-invalid"

    def __init__(self, source: int, index: int, reason: str) -> None:
        self.source = source
        self.index = index
        self.reason = reason
        super().__init__(f"the bundle of checkpoint {index} of shard {source} does not hold: {reason}")
