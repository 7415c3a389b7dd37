"""Drawn sub-DAGs: each vertex becomes a transaction and keeps its name.

    a: genesis                        a vertex on the shard's genesis id
    b: genesis anchor=2               anchored at checkpoint 2 (0 if nothing is said)
    c: a b issuer=alice sequence=0 recipient=bob amount=5
    d: c ghost                        a parent that is not drawn

Accounts are named by words; vertices without an issuer are issued by an account of their own name. The
transactions are not signed: a sub-DAG gets them after their signature was checked.
"""

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Final

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
from tests.drawing.language import Attribute, Statement, Vertex, Word, parse

CHAIN = ChainId(b"drawing!")
GENESIS_ID = TransactionId(compute_hash(b"drawing", b"genesis"))
JOB = JobId(bytes(32))

GENESIS: Final = "genesis"
"""The parent that is always there."""

WORDS: Final = ("issuer", "recipient")
"""Attributes whose value names an account."""

NUMBERS: Final = ("anchor", "sequence", "amount", "fee")
"""Attributes whose value is a number."""


def get_account(name: str) -> PublicKey:
    """The account that a word stands for."""
    return PublicKey(blake2b(name.encode(), digest_size=32).digest())


def get_drawn_id(name: str) -> TransactionId:
    """Id of a vertex that is named and not drawn; nothing else has it."""
    return TransactionId(compute_hash(b"drawing", name.encode()))


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


class SubDagDrawing:
    """The vertices of one text, in drawn order."""

    def __init__(self, drawn: str | Iterable[Statement]) -> None:
        """:raises DrawingError: see ``parse``; or a round, a name drawn twice or after its child, an
        attribute that no transaction has.
        """
        self.transactions: dict[str, Transaction] = {}
        self._names: dict[TransactionId, str] = {GENESIS_ID: GENESIS}
        self._missed: dict[str, Word] = {}
        for statement in parse(drawn) if isinstance(drawn, str) else drawn:
            if not isinstance(statement, Vertex):
                statement.head.refuse("a sub-DAG has no rounds; name the vertex, or draw a committee")
            self._draw(statement)

    def _draw(self, vertex: Vertex) -> None:
        name = vertex.name
        if name == GENESIS or name in self.transactions:
            name.refuse(f"{name!r} is drawn already; choose another name")
        if name in self._missed:
            place = self._missed[name].place
            name.refuse(
                f"{name!r} is a parent of line {place.line} already; draw parents before their children"
            )
        for parent in vertex.parents:
            if parent != GENESIS and parent not in self.transactions:
                self._missed.setdefault(parent, parent)
        words = {str(each.key): each for each in vertex.attributes}
        for key, attribute in words.items():
            _check_attribute(key, attribute)
        numbers = {str(key): int(each.values[0]) for key, each in words.items() if key in NUMBERS}
        transaction = make_transaction(
            [self.get_id(parent) for parent in vertex.parents],
            name=name,
            anchor=numbers.get("anchor", 0),
            issuer=words["issuer"].values[0] if "issuer" in words else name,
            sequence=numbers.get("sequence", 0),
            recipient=words["recipient"].values[0] if "recipient" in words else "nobody",
            amount=numbers.get("amount", 1),
            max_fee=numbers.get("fee", 10**9),
        )
        self.transactions[name] = transaction
        self._names[transaction.id] = name

    def __getitem__(self, name: str) -> Transaction:
        return self.transactions[name]

    def get_id(self, name: str) -> TransactionId:
        """Id of a vertex; one that is not drawn has an id as well, which nothing else has."""
        if name == GENESIS:
            return GENESIS_ID
        if name in self.transactions:
            return self.transactions[name].id
        return get_drawn_id(name)

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


def order(subdag: SubDag, drawing: SubDagDrawing, name: str) -> str:
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


def _check_attribute(key: str, attribute: Attribute) -> None:
    first, *more = attribute.values
    if key not in (*WORDS, *NUMBERS):
        attribute.key.refuse(f"a transaction has no {key!r}; it has {', '.join((*WORDS, *NUMBERS))}")
    if more:
        more[0].refuse(f"{key!r} has one value; leave out what follows the comma")
    if first.isdecimal() != (key in NUMBERS):
        first.refuse(f"{key!r} is {'a number' if key in NUMBERS else 'a word'}, not {first!r}")
