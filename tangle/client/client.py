"""The typed client of one node: a method for every route, and ``send`` for the whole way of a transaction.

It is used by the command line, the dashboard, wallets written in Python, and tests. Numbers in answers are
ordinary integers, hashes ordinary bytes. What may be repeated without harm is repeated after a pause when the
node is away or overloaded; every request has a time limit.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import anyio

from aivm.program.binding import Tensor
from poi.market.jobs import compute_job_name
from poi.market.operations import Operation as MarketOperation
from poi.market.operations import encode_operation
from shards.epochs import EpochEnd
from shards.errors import EpochUnknown
from shards.proofs import ProvenTransaction, verify_transaction_proof
from tangle.api.schemas.forecast import SimulatedAnswer
from tangle.api.schemas.inference import InferenceAnswer
from tangle.api.schemas.market import JobKind
from tangle.api.schemas.transactions import (
    BatchItemAnswer,
    FaucetAnswer,
    PreparedAnswer,
    SubmittedAnswer,
    TransactionAnswer,
)
from tangle.client.blobs import BlobMethods
from tangle.client.errors import ApiProblem, NotReached, UnexpectedAnswer
from tangle.client.explorer import ExplorerMethods
from tangle.client.inference import SPOT_CHECKED, InferenceResult, make_inference_job, read_outputs
from tangle.client.market import MarketMethods
from tangle.client.reading import NodeReader, as_text
from tangle.client.sending import Prove, make_body, read_work
from tangle.client.transport import ClientConfig
from tangle.client.validators import ValidatorMethods
from tangle.core.encoding import encode
from tangle.core.errors import WrongChain
from tangle.core.genesis import Genesis, compute_chain_id, decode_genesis
from tangle.core.signing import SigningKey
from tangle.core.transactions import (
    MarketCall,
    Operation,
    Transaction,
    TransactionBody,
    sign_transaction,
)
from tangle.core.types import ChainId, PublicKey, TransactionId
from tangle.node.views import TransactionStatus

WAIT_S_MAX: Final = 30.0
"""Longest wait of one request; a longer wait is several requests, so that proxies do not cut it."""

PROGRESS: Final = {
    TransactionStatus.WAITING: 0,
    TransactionStatus.ATTACHED: 1,
    TransactionStatus.ORDERED: 2,
    TransactionStatus.CHECKPOINTED: 3,
    TransactionStatus.CONFLICTING: 3,
    TransactionStatus.EXPIRED: 3,
}
"""How far each status is on the way; after 3 comes nothing, but the certificate of a conflict."""


class TangleClient(BlobMethods, ExplorerMethods, MarketMethods, ValidatorMethods, NodeReader):
    """A client of the node at ``base_url``. Close it, or use it as an asynchronous context manager."""

    def __init__(
        self,
        base_url: str,
        *,
        chain: ChainId | None = None,
        config: ClientConfig | None = None,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        """Connect at the first request.

        :param chain: the only chain to sign for; the node's word is taken for none.
        :param sleep: how to pause between tries.
        """
        super().__init__(base_url, config or ClientConfig(), sleep)
        self._chain = chain
        self._genesis: Genesis | None = None
        self._ends: tuple[EpochEnd, ...] = ()
        self._locks: dict[PublicKey, anyio.Lock] = {}
        self._ledger_ahead_ms: int | None = None

    # Sending

    async def send(
        self,
        key: SigningKey,
        operation: Operation,
        *,
        prove: Prove | None = None,
        worker: PublicKey | None = None,
        max_fee: int | None = None,
        wait: TransactionStatus | str = TransactionStatus.CHECKPOINTED,
        timeout_s: float = 30.0,
    ) -> TransactionAnswer:
        """Prepare, do the work, sign, submit, and wait until the transaction has come as far as ``wait``.

        The answer may say that it conflicts or has expired, with the reason.

        :param prove: does the AI work here; the node does it for none.
        :param worker: account that is paid for the work; the issuer for none.
        :raises NotReached: not so far in time.
        :raises WrongChain: the node is of another chain than this client was made for; nothing was signed.
        :raises ApiProblem: the node refused it.
        """
        identity = await self.submit_transfer(key, operation, prove=prove, worker=worker, max_fee=max_fee)
        return await self.wait_transaction(identity, wait, timeout_s)

    async def call_market(
        self,
        key: SigningKey,
        operation: MarketOperation,
        *,
        prove: Prove | None = None,
        max_fee: int | None = None,
        timeout_s: float = 30.0,
    ) -> TransactionAnswer:
        """As ``send``, for an operation of the market: it is tried first, so a refusal costs nothing.

        :raises ApiProblem: the market would refuse it; its code says why.
        """
        call = MarketCall(encode_operation(operation))
        return await self.send(key, call, prove=prove, max_fee=max_fee, timeout_s=timeout_s)

    async def submit_transfer(
        self,
        key: SigningKey,
        operation: Operation,
        *,
        prove: Prove | None = None,
        worker: PublicKey | None = None,
        max_fee: int | None = None,
    ) -> TransactionId:
        """As ``send``, without waiting for more than the node's taking it in; returns the id."""
        # Two at a time would be prepared for the same sequence number.
        async with self._locks.setdefault(key.public_key, anyio.Lock()):
            transaction = await self._build(key, operation, prove, worker, max_fee)
            await self.submit(transaction)
        return transaction.id

    async def infer(
        self,
        key: SigningKey,
        program: bytes,
        inputs: Sequence[Tensor],
        *,
        level: int = SPOT_CHECKED,
        price_limit: int | None = None,
        escrow: int | None = None,
        prove: Prove | None = None,
    ) -> InferenceResult:
        """Run a registered program over some rows: validators answer at once, the ledger settles the job.

        :param inputs: one array for each input of the program, rows first, in its own integers.
        :param level: at which the ledger settles the job; the answer itself is replicated.
        :param price_limit: most grains for a unit; twice the price now for none.
        :param escrow: what is put up; the rest of it comes back; enough for that limit for none.
        :raises ApiProblem: refused; ``replicas-silent`` when too few validators answered: the job goes on.
        """
        quoted = await self.get_quote(JobKind.INFERENCE, program=program, rows=len(inputs[0]), level=level)
        operation = make_inference_job(
            program,
            inputs,
            price_limit=int(quoted.suggested_price_limit) if price_limit is None else price_limit,
            escrow=int(quoted.suggested_escrow) if escrow is None else escrow,
            now_ms=await self._get_ledger_ms(),
            level=level,
        )
        async with self._locks.setdefault(key.public_key, anyio.Lock()):
            call = MarketCall(encode_operation(operation))
            transaction = await self._build(key, call, prove, None, None)
            body = encode((transaction.encoded, tuple(tensor.tobytes() for tensor in inputs)))
            envelope = await self._transport.post(InferenceAnswer, "/v1/inference", body, "application/cbor")
        answer, job = envelope.data, compute_job_name(key.public_key, transaction.body.sequence)
        if bytes(answer.job) != job or bytes(answer.transaction) != transaction.id:
            raise UnexpectedAnswer(self.base_url, f"an answer to job {answer.job.hex()}")
        return InferenceResult(read_outputs(answer, self.base_url), answer, job, int(quoted.price))

    async def _get_ledger_ms(self) -> int:
        """Commit time now, from one look at the ledger and this machine's clock since."""
        now_ms = int(anyio.current_time() * 1_000)
        if self._ledger_ahead_ms is None:
            self._ledger_ahead_ms = int((await self.get_market()).timestamp_ms) - now_ms
        return now_ms + self._ledger_ahead_ms

    async def build_body(
        self,
        issuer: PublicKey,
        operation: Operation,
        *,
        prove: Prove | None = None,
        worker: PublicKey | None = None,
        max_fee: int | None = None,
    ) -> TransactionBody:
        """Prepare the issuer's next transaction and do its work; parameters and errors as for ``send``."""
        call = operation.data if isinstance(operation, MarketCall) else None
        prepared = await self.prepare(issuer, work=prove is None, worker=worker, operation=call)
        if self._chain is not None and bytes(prepared.chain) != self._chain:
            raise WrongChain(prepared.chain, self._chain)
        if prove is not None:
            work = await prove(prepared)
        elif prepared.work is not None:
            work = read_work(prepared.work)
        else:
            raise UnexpectedAnswer(self.base_url, "the node did not do the work")
        return make_body(prepared, operation, work, issuer, max_fee)

    async def _build(
        self,
        key: SigningKey,
        operation: Operation,
        prove: Prove | None,
        worker: PublicKey | None,
        max_fee: int | None,
    ) -> Transaction:
        body = await self.build_body(key.public_key, operation, prove=prove, worker=worker, max_fee=max_fee)
        return sign_transaction(body, key)

    async def prepare(
        self,
        issuer: PublicKey | str,
        *,
        work: bool = False,
        worker: PublicKey | str | None = None,
        sequence: int | None = None,
        operation: bytes | None = None,
    ) -> PreparedAnswer:
        """Everything that the issuer's next transaction needs; with ``work``, the work done by the node.

        :param operation: an encoded operation of the market, which is tried; none for a transfer.
        :raises ApiProblem: the market would refuse it.
        """
        body = {
            "issuer": as_text(issuer),
            "work": work,
            "worker": None if worker is None else as_text(worker),
            "sequence": None if sequence is None else str(sequence),
            "operation": None if operation is None else operation.hex(),
        }
        return (await self._post_json(PreparedAnswer, "/v1/prepare", body)).data

    async def submit(self, transaction: Transaction | bytes) -> SubmittedAnswer:
        """Submit one signed transaction; the same bytes again are no fault."""
        encoded = transaction if isinstance(transaction, bytes) else transaction.encoded
        envelope = await self._transport.post(
            SubmittedAnswer, "/v1/transactions", encoded, "application/cbor"
        )
        return envelope.data

    async def simulate(self, transaction: Transaction | bytes) -> SimulatedAnswer:
        """What a signed transaction would do and cost if it were ordered next; nothing of it is kept.

        :raises ApiProblem: submitting it would be refused; its code says why.
        """
        encoded = transaction if isinstance(transaction, bytes) else transaction.encoded
        path = "/v1/transactions/simulate"
        return (await self._transport.post(SimulatedAnswer, path, encoded, "application/cbor")).data

    async def submit_batch(self, items: Sequence[Transaction | bytes]) -> tuple[BatchItemAnswer, ...]:
        """Submit many; an answer for each, at its place."""
        encoded = [item if isinstance(item, bytes) else item.encoded for item in items]
        envelope = await self._transport.post(
            tuple[BatchItemAnswer, ...], "/v1/transactions/batch", encode(encoded), "application/cbor"
        )
        return envelope.data

    async def request_faucet(self, account: PublicKey | str) -> TransactionId:
        """Ask the devnet's faucet for its portion; returns the id of its transaction."""
        body = {"account": as_text(account)}
        envelope = await self._post_json(FaucetAnswer, "/v1/faucet", body, is_repeatable=False)
        return TransactionId(bytes(envelope.data.id))

    # Waiting

    async def wait_transaction(
        self,
        identity: bytes,
        status: TransactionStatus | str = TransactionStatus.CHECKPOINTED,
        timeout_s: float = 30.0,
    ) -> TransactionAnswer:
        """Wait until a transaction has come as far as ``status``, or failed.

        :raises NotReached: not so far in time; it may still come.
        """
        wanted = TransactionStatus(status)
        deadline_s = anyio.current_time() + timeout_s
        while True:
            left_s = max(0.0, deadline_s - anyio.current_time())
            wait_s = min(left_s, WAIT_S_MAX)
            answer = await self.get_transaction(identity, wait=wanted, timeout_s=wait_s)
            # A conflict is ordered before it is certified; who waits for finality waits for that too.
            is_settled = answer.is_final or wanted is not TransactionStatus.CHECKPOINTED
            if PROGRESS[answer.status] >= PROGRESS[wanted] and is_settled:
                return answer
            if anyio.current_time() >= deadline_s:
                raise NotReached(bytes(identity), wanted, answer.status, timeout_s)

    # Verifying

    async def get_genesis(self) -> Genesis:
        """The genesis of the network, as the node tells it; asked for once.

        :raises WrongChain: it is not of the chain that this client was made for.
        """
        if self._genesis is None:
            genesis = decode_genesis(await self._get_bytes("/v1/genesis", "application/cbor"))
            found = compute_chain_id(genesis)
            if self._chain is not None and found != self._chain:
                raise WrongChain(found, self._chain)
            self._genesis = genesis
        return self._genesis

    async def verify(self, identity: bytes, genesis: Genesis) -> ProvenTransaction:
        """Fetch a transaction's proof and check it here; trusts nothing but ``genesis``.

        :param genesis: from a source that the caller trusts, not from the node that is checked.
        :raises TangleError: the proof does not hold, or proves another transaction.
        """
        proof = await self.get_proof(identity)
        try:
            proven = verify_transaction_proof(proof, genesis, self._ends)
        except EpochUnknown:
            # It is of a committee that is newer than what this client knows, which is checked with the proof.
            self._ends = await self.get_epoch_ends()
            proven = verify_transaction_proof(proof, genesis, self._ends)
        if proven.transaction.id != bytes(identity):
            raise UnexpectedAnswer(self.base_url, f"a proof of {proven.transaction.id.hex()}")
        return proven

    # Health

    async def is_live(self) -> bool:
        """Whether the node's process serves requests."""
        await self._get_health("/livez")
        return True

    async def is_ready(self) -> bool:
        """Whether every readiness condition of the node is met."""
        try:
            await self._get_health("/readyz")
        except ApiProblem as problem:
            if problem.code == "not-ready":
                return False
            raise
        return True
