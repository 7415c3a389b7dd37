"""A job's whole way on a network of four nodes."""

import numpy as np

from aivm.verification.graph import GraphProgram
from aivm.verification.traced import run_traced
from poi.market.outcomes import Ending, JobAssigned, JobEnded, ResultClaimed
from poi.market.records import Claimed
from tangle.core.blob_id import BlobId
from tangle.node.jobs.names import list_outputs
from tests.node.jobs.bazaar import bazaar_of, make_program, make_rows


async def test_an_honest_job_ends_paid_and_its_answer_is_on_every_node() -> None:
    bound = make_program()
    async with bazaar_of(4) as bazaar:
        await bazaar.register(bound)
        inputs = make_rows(bound, 40)
        job = await bazaar.open_job(await bazaar.make_task(bound, inputs))
        assigned = await bazaar.wait_event(job, lambda event: isinstance(event, JobAssigned))
        assert isinstance(assigned, JobAssigned)
        before = bazaar.get_balance(assigned.worker)
        await bazaar.wait_event(job, lambda event: isinstance(event, ResultClaimed))
        claim = bazaar.market_jobs[job].phase
        assert isinstance(claim, Claimed)
        ended = await bazaar.wait_event(job, lambda event: isinstance(event, JobEnded))
        assert isinstance(ended, JobEnded)
        assert ended.ending is Ending.PAID
        program = GraphProgram(bound, 40)
        right = run_traced(program, inputs)[program.outputs[0]]
        (source,) = list_outputs(program, claim.commitment, claim.sources)
        for shop in bazaar.shops:
            content = await shop.blobs.read_all(BlobId(source.blob))
            assert np.array_equal(np.frombuffer(content, np.int8).reshape(right.shape), right)
        assert bazaar.get_balance(assigned.worker) > before
        bazaar.check_books()
