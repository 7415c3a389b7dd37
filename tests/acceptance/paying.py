"""A customer of a network under test: money, registered programs, answers, and what became of the jobs."""

from collections.abc import Sequence
from typing import Final

import anyio
import numpy as np
from msgspec import Struct

from aivm.importers.model_file import load_model, quantize_input
from aivm.program.binding import BoundProgram, Tensor
from aivm.program.package import encode_package
from aivm.program.record import encode_program
from examples.light_models import LightModel
from poi.market.operations import describe_program
from tangle.client.client import TangleClient
from tangle.client.errors import ApiProblem
from tangle.client.inference import InferenceResult, verify_inference
from tangle.core.blob_id import parse_blob_id
from tangle.core.signing import SigningKey
from tangle.core.types import Digest
from tests.acceptance.support import wait_until

CONFIRM_TIMEOUT_S: Final = 120.0
"""For validators to fetch a program and vote."""

SETTLE_TIMEOUT_S: Final = 120.0
"""For the ledger to have a job done, wait for challenges and pay."""

WARM_CALLS: Final = 6
"""Answers before any is measured: every validator has run the program once."""

WARM_TIMEOUT_S: Final = 300.0
"""For every validator to start a worker process and build its kernels, on a machine that is busy."""

PATIENT: Final = frozenset({"replicas-silent", "replicas-withheld", "overloaded"})
"""Why there may be no answer while the first kernels are built."""


class Timed(Struct, frozen=True):
    """One answer and how long it took."""

    result: InferenceResult
    """The answer."""

    whole_ms: float
    """From the call of the client to the answer, price and AI work of the transaction included."""


class Customer:
    """An account that buys answers."""

    def __init__(self, client: TangleClient, key: SigningKey) -> None:
        self.client = client
        self.key = key

    async def fund(self) -> None:
        """Get the faucet's portion, and wait until it is final."""
        await self.client.wait_transaction(await self.client.request_faucet(self.key.public_key))

    async def register(self, bound: BoundProgram) -> None:
        """Put a program on the list if it is not there, and wait until a quorum has confirmed it."""
        program = bound.plan.program_id
        try:
            await self.client.get_program(program)
        except ApiProblem as problem:
            if problem.code != "not-found":
                raise
            await self._register(bound)

        async def is_confirmed() -> bool:
            return (await self.client.get_program(program)).is_confirmed

        await wait_until(is_confirmed, "the program to be confirmed", CONFIRM_TIMEOUT_S)

    async def _register(self, bound: BoundProgram) -> None:
        kept = await self.client.put_blob(encode_package(bound))
        operation = describe_program(encode_program(bound.plan.program), parse_blob_id(kept.id))
        answer = await self.client.call_market(self.key, operation)
        assert answer.status == "checkpointed", answer

    async def ask(self, bound: BoundProgram, inputs: Sequence[Tensor]) -> Timed:
        """One answer, its receipt verified offline."""
        begun_s = anyio.current_time()
        result = await self.client.infer(self.key, bound.plan.program_id, inputs)
        whole_ms = (anyio.current_time() - begun_s) * 1_000
        report = verify_inference(result, bound, inputs, await self.client.get_genesis())
        assert report.level == 4
        return Timed(result, whole_ms)

    async def warm(self, bound: BoundProgram, rows: Sequence[tuple[Tensor, ...]]) -> None:
        """Ask until every validator has its worker process and the program ready."""
        deadline_s = anyio.current_time() + WARM_TIMEOUT_S
        for inputs in rows:
            while True:
                try:
                    await self.ask(bound, inputs)
                    break
                except ApiProblem as problem:
                    if problem.code not in PATIENT or anyio.current_time() > deadline_s:
                        raise

    async def wait_settled(self, job: Digest) -> None:
        """Wait until the ledger has paid for a job."""
        answer = await self.client.wait_job(bytes(job), lambda each: not each.is_live, SETTLE_TIMEOUT_S)
        assert answer.phase == "paid", answer


def get_rows(light: LightModel, count: int) -> tuple[BoundProgram, list[tuple[Tensor, ...]]]:
    """The program of a model, and single rows for it in its own integers."""
    bound = load_model(light.model)
    (port,), (declared,) = light.model.inputs, bound.plan.input_types
    images = np.ascontiguousarray(quantize_input(port, declared, light.images))
    return bound, [(images[place % len(images)][None],) for place in range(count)]
