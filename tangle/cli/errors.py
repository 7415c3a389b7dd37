"""What the command line itself refuses; everything else comes from the rooms below."""

from pathlib import Path

from tangle.core.errors import TangleError


class InvalidAmount(TangleError):
    """A text that is no amount of coins."""

    code = "amount-invalid"

    def __init__(self, text: str, reason: str) -> None:
        self.text = text
        self.reason = reason
        super().__init__(f"{text[:60]!r} is no amount: {reason}; write 1.5 for MST or 1500000000grains")


class InvalidConfig(TangleError):
    """A setting that a node does not know or cannot use."""

    code = "config-invalid"

    def __init__(self, source: str, reason: str) -> None:
        """:param source: where the setting was made, for people: a file's line, a variable, an option."""
        self.source = source
        self.reason = reason
        super().__init__(f"{source}: {reason}")


class MissingInput(TangleError):
    """Something a person would be asked for, where nobody can be asked."""

    code = "input-missing"

    def __init__(self, wanted: str, remedy: str) -> None:
        self.wanted = wanted
        self.remedy = remedy
        super().__init__(f"{wanted} is needed and nobody can be asked here; {remedy}")


class WordsNotConfirmed(TangleError):
    """The words that were asked back do not match."""

    code = "words-unconfirmed"

    def __init__(self) -> None:
        super().__init__(
            "these are not the words that were shown; nothing was written, start again and write them down"
        )


class GenesisMissing(TangleError):
    """A command that needs the network's genesis does not find it."""

    code = "genesis-missing"

    def __init__(self, searched: tuple[Path, ...]) -> None:
        self.searched = searched
        places = " or ".join(map(str, searched))
        super().__init__(f"there is no genesis at {places}; name the network's file with --genesis")


class GenesisDiffers(TangleError):
    """A home of one chain, asked to become the home of another."""

    code = "genesis-differs"

    def __init__(self, home: Path, found: str, wanted: str) -> None:
        self.home = home
        self.found = found
        self.wanted = wanted
        super().__init__(f"{home} belongs to {found}, not to {wanted}; choose another place with --home")


class DevnetMismatch(TangleError):
    """The directory holds another devnet than was asked for."""

    code = "devnet-mismatch"

    def __init__(self, root: Path, found: int, wanted: int, what: str = "nodes") -> None:
        self.root = root
        self.found = found
        self.wanted = wanted
        super().__init__(
            f"{root} holds a devnet of {found} {what}, asked for are {wanted}; "
            f"start it with --{what} {found}, or choose another place with --home"
        )


class PortsTaken(TangleError):
    """Another program listens where a node should."""

    code = "ports-taken"

    def __init__(self, ports: tuple[int, ...], occupant: str) -> None:
        """:param occupant: who answers there, for people."""
        self.ports = ports
        self.occupant = occupant
        listed = ", ".join(map(str, ports[:4])) + (", ..." if len(ports) > 4 else "")
        plural = "s" if len(ports) > 1 else ""
        super().__init__(
            f"port{plural} {listed} taken by {occupant}; stop it, or choose other ports with --port-base"
        )


class NodeGaveUp(TangleError):
    """A node of the devnet does not start."""

    code = "node-gave-up"

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason
        super().__init__(f"{name} does not start: {reason}")


class ShardsRefused(TangleError):
    """A process of a node with several shards does not go on."""

    code = "shards-refused"

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason
        super().__init__(f"the process of {name} does not go on: {reason}")


class StartTimeout(TangleError):
    """The devnet's nodes did not become ready in time."""

    code = "start-timeout"

    def __init__(self, name: str, timeout_s: float, log_path: Path) -> None:
        self.name = name
        self.timeout_s = timeout_s
        super().__init__(f"{name} was not ready after {timeout_s:g} s; its log is {log_path}")


class NotApplied(TangleError):
    """A transaction that was sent but will never apply."""

    code = "transaction-not-applied"

    def __init__(self, identity: bytes, status: str, reason: str | None) -> None:
        self.identity = identity
        self.status = status
        self.reason = reason
        super().__init__(f"transaction {identity.hex()} is {status}: {reason or 'no reason is known'}")


class WouldNotApply(TangleError):
    """An operation that the ledger would refuse; it was not sent."""

    code = "would-not-apply"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"nothing was sent, because the ledger would refuse it: {reason}")


class InvalidPossession(TangleError):
    """Something else than what proves that somebody has a validator's key."""

    code = "possession-malformed"

    def __init__(self) -> None:
        super().__init__(
            "this is not what tangle validator prove prints: 192 hexadecimal digits; copy the whole line"
        )


class CheckpointUnproven(TangleError):
    """A checkpoint that a node tells of, and that no quorum is shown to have signed."""

    code = "checkpoint-unproven"

    def __init__(self, index: int, reason: str) -> None:
        self.index = index
        self.reason = reason
        super().__init__(f"checkpoint {index} is not proven: {reason}")


class UnknownModel(TangleError):
    """A standing job that the node does not know, or a beginning that several share."""

    code = "model-unknown"

    def __init__(self, text: str, known: tuple[str, ...]) -> None:
        self.text = text
        self.known = known
        super().__init__(f"{text[:80]!r} names no single model here; known are {', '.join(known) or 'none'}")


class FileExists(TangleError):
    """A file where another one was to be written."""

    code = "file-exists"

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"{path} exists already; name another with --output, or replace it with --force")


class BlobNotFetched(TangleError):
    """A fetch that ended without its blob."""

    code = "blob-not-fetched"

    def __init__(self, blob: str, reason_code: str, reason: str) -> None:
        self.blob = blob
        self.reason_code = reason_code
        super().__init__(f"blob {blob} did not come ({reason_code}): {reason}")


class InvalidProblemFile(TangleError):
    """A file that holds no optimisation problem, or no answer to one."""

    code = "problem-file-invalid"

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason
        super().__init__(f"{name} cannot be read: {reason}")


class WalletUnclear(TangleError):
    """No wallet was named, and there is not exactly one."""

    code = "wallet-unclear"

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        found = (
            f"there are {', '.join(names)}" if names else "there is none; tangle wallet new NAME makes one"
        )
        super().__init__(f"name the wallet that pays with --wallet: {found}")


class JobUnclear(TangleError):
    """The beginning of a job's id that no job or several have."""

    code = "job-unclear"

    def __init__(self, text: str, found: int) -> None:
        self.text = text
        self.found = found
        super().__init__(
            f"{text[:64]!r} is the beginning of {found} of the latest jobs; tangle job list shows them"
        )


class MissingOption(TangleError):
    """An option that a job of this kind needs."""

    code = "option-missing"

    def __init__(self, kind: str, options: str) -> None:
        self.kind = kind
        self.options = options
        super().__init__(f"a job of the kind {kind} needs {options}")


class JobNotDone(TangleError):
    """A job without a result to show."""

    code = "job-not-done"

    def __init__(self, job: bytes, phase: str, reason: str) -> None:
        self.job = job
        self.phase = phase
        self.reason = reason
        super().__init__(f"job {job.hex()} is {phase}: {reason}")


class SecretMissing(TangleError):
    """A sealed answer whose salt is not on this machine."""

    code = "answer-secret-missing"

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(
            f"the sealed answer was kept at {path}, which is gone; without it nothing can be shown"
        )


class NothingKnown(TangleError):
    """An id that names nothing this node knows."""

    code = "id-unknown"

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(
            f"{text[:80]!r} is no transaction, job, program, standing job or checkpoint of this node"
        )


class ProgramNotConfirmed(TangleError):
    """A registered program that validators have not confirmed, or have rejected."""

    code = "program-not-confirmed"

    def __init__(self, program: bytes, reason: str) -> None:
        self.program = program
        self.reason = reason
        super().__init__(f"program {program.hex()}: {reason}")


class OperatorDoorShut(TangleError):
    """A node whose operator's door is not open."""

    code = "operator-door-shut"

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"the operator's door is shut: set admin_port in {path} and restart the node")


class DatabaseUnsound(TangleError):
    """A copy that does not hold what it should."""

    code = "database-unsound"

    def __init__(self, path: Path, finding: str) -> None:
        self.path = path
        self.finding = finding
        super().__init__(f"{path} is not sound: {finding}; run tangle db check on the home it comes from")


class DatabaseWanted(TangleError):
    """A command for one database, given a home with several."""

    code = "database-unclear"

    def __init__(self, path: Path, count: int) -> None:
        self.path = path
        self.count = count
        super().__init__(
            f"{path} has {count} shards, each with a database of its own; tangle db backup takes all of them"
        )
