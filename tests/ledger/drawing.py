"""A small language for sub-DAGs: each line draws one vertex and names it.

    a: genesis                        a vertex on the shard's genesis id
    b: genesis @2                     anchored at checkpoint 2 (0 if nothing is said)
    c: a b | alice#0 pays bob 5       parents in listed order; what it does
    d: c ghost                        a parent that is not drawn

Accounts are named by words; vertices without a payment are issued by an account of their own name. The
transactions are not signed: a sub-DAG gets them after their signature was checked.
"""

import re
from collections.abc import Iterable, Mapping
from hashlib import blake2b

from tangle.core.encoding import encode
from tangle.core.hashing import compute_hash
from tangle.core.transactions import (
    SignedEnvelope,
    Transaction,
    TransactionBody,
    Transfer,
    Work,
    decode_transaction,
)
from tangle.core.types import (
    ChainId,
    CheckpointIndex,
    Grains,
    JobId,
    PublicKey,
    Sequence,
    Shard,
    Signature,
    TransactionId,
)
from tangle.ledger.subdag import SubDag

CHAIN = ChainId(b"drawing!")
GENESIS_ID = TransactionId(compute_hash(b"drawing", b"genesis"))
JOB = JobId(bytes(32))

_LINE = re.compile(
    r"(?P<name>\w+):(?P<parents>(?:\s+\w+)+)(?:\s+@(?P<anchor>\d+))?"
    r"(?:\s+\|\s+(?P<issuer>\w+)#(?P<sequence>\d+)\s+pays\s+(?P<recipient>\w+)\s+(?P<amount>\d+))?"
)


def get_account(name: str) -> PublicKey:
    """The account that a word stands for."""
    return PublicKey(blake2b(name.encode(), digest_size=32).digest())


def make_transaction(
    parents: Iterable[TransactionId],
    *,
    name: str = "x",
    anchor: int = 0,
    issuer: str = "",
    sequence: int = 0,
    recipient: str = "nobody",
    amount: int = 1,
    max_fee: int = 10**9,
    results: tuple[int, ...] = (1,),
) -> Transaction:
    """An unsigned transaction; ``name`` makes it unlike others."""
    body = TransactionBody(
        version=1,
        chain=CHAIN,
        shard=Shard(0),
        issuer=get_account(issuer or name),
        sequence=Sequence(sequence),
        anchor=CheckpointIndex(anchor),
        parents=tuple(parents),
        operation=Transfer(get_account(recipient), Grains(amount)),
        work=Work(1, JOB, 0, get_account(f"worker of {name}"), results),
        max_fee=Grains(max_fee),
    )
    return decode_transaction(encode(SignedEnvelope(encode(body), Signature(bytes(64)))))


class Drawing:
    """The vertices of one text, in drawn order."""

    def __init__(self, text: str) -> None:
        """:raises ValueError: a line is not in the language."""
        self.transactions: dict[str, Transaction] = {}
        self._names: dict[TransactionId, str] = {GENESIS_ID: "genesis"}
        for line in filter(None, (line.strip() for line in text.splitlines())):
            match = _LINE.fullmatch(line)
            if match is None:
                raise ValueError(f"not a vertex: {line}")
            name = match["name"]
            transaction = make_transaction(
                [self.get_id(parent) for parent in match["parents"].split()],
                name=name,
                anchor=int(match["anchor"] or 0),
                issuer=match["issuer"] or name,
                sequence=int(match["sequence"] or 0),
                recipient=match["recipient"] or "nobody",
                amount=int(match["amount"] or 1),
            )
            self.transactions[name] = transaction
            self._names[transaction.id] = name

    def __getitem__(self, name: str) -> Transaction:
        return self.transactions[name]

    def get_id(self, name: str) -> TransactionId:
        """Id of a vertex; one that is not drawn has an id as well, which nothing else has."""
        if name == "genesis":
            return GENESIS_ID
        if name in self.transactions:
            return self.transactions[name].id
        return TransactionId(compute_hash(b"drawing", name.encode()))

    def get_name(self, transaction_id: TransactionId) -> str:
        """Name of a drawn vertex, or ``?``."""
        return self._names.get(transaction_id, "?")

    def get_names(self, items: Iterable[Transaction | TransactionId]) -> str:
        """Names of vertices, in order, with spaces between."""
        ids = (item.id if isinstance(item, Transaction) else item for item in items)
        return " ".join(self.get_name(transaction_id) for transaction_id in ids)

    def attach(self, subdag: SubDag, names: str = "") -> None:
        """Hand these vertices over (all of them in drawn order if none is named)."""
        for name in names.split() or self.transactions:
            subdag.process_transaction(self.transactions[name])


def order(subdag: SubDag, drawing: Drawing, name: str) -> str:
    """Order the cone of a vertex; the names in order."""
    return drawing.get_names(subdag.order_cone(drawing[name].id))


def compute_cone(
    transactions: Mapping[TransactionId, Transaction], tip: TransactionId
) -> list[TransactionId]:
    """The past of ``tip`` within ``transactions`` in post-order: the rule written down recursively."""
    done: dict[TransactionId, None] = {}

    def visit(transaction_id: TransactionId) -> None:
        if transaction_id in transactions and transaction_id not in done:
            for parent in transactions[transaction_id].body.parents:
                visit(parent)
            done[transaction_id] = None

    visit(tip)
    return list(done)
