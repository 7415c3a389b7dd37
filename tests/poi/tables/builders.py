"""Tables made on the spot, and the training of a model on them as the ledger does it."""

from hashlib import blake2b

from msgspec.structs import replace

from poi.events import Assignment, CountedWork
from poi.evolution import OpenJob, compute_results
from poi.job import StandingJob, compute_job_id
from poi.state import JobState
from poi.tables.preparing import PreparedTable, prepare_table
from poi.tables.reading import read_table
from poi.tables.recipe import encode_recipe
from poi.tables.tuning import choose_job
from poi.training import TrainingParts, encode_training_data
from poi.weights import decode_effective
from tangle.core.types import Digest, Milliseconds, PublicKey
from tangle.core.types import Sequence as Number
from tests.poi.builders import BACKEND

FLOWERS = "width,height,colour,kind\n" + "".join(
    f"{place % 17 + (30 if is_tall else 5)},{place * 7 % 13 + (2 if is_tall else 20)},"
    f"{('red', 'blue', '')[place % 3]},{'tall' if is_tall else 'wide'}\n"
    for place in range(60)
    for is_tall in (False, True)
)
"""120 flowers of two kinds that their sizes tell apart; the colour says nothing and is missing at times."""


def prepare(text: str, label: str = "kind", *ignored: str) -> PreparedTable:
    return prepare_table(read_table(text.encode(), label, ignored))


FLOWERS_PREPARED = prepare(FLOWERS)
FLOWERS_JOB = choose_job(FLOWERS_PREPARED.training, FLOWERS_PREPARED.holdout, 2)
FLOWERS_BLOB = encode_training_data(
    TrainingParts(FLOWERS_PREPARED.training, FLOWERS_PREPARED.holdout),
    encode_recipe(FLOWERS_PREPARED.recipe),
)


def open_prepared(job: StandingJob, prepared: PreparedTable) -> OpenJob:
    return OpenJob(job, compute_job_id(job), job.make_shape(), prepared.training, prepared.holdout)


def train(
    job: StandingJob, prepared: PreparedTable, generations: int, *, late: int = 0, seed: int = 0
) -> float:
    """Share of right answers after honest work, ``late`` generations behind; as a node computes it."""
    job = replace(job, init_seed=Digest(bytes([seed]) * 32))
    opened = open_prepared(job, prepared)
    state, score = JobState.start(opened, Milliseconds(0)), 0
    issuer = PublicKey(blake2b(b"worker", digest_size=32).digest())
    for number in range(generations):
        generation = max(0, state.generation - late)
        weights = decode_effective(opened.shape.layers, state.get_weights_encoded(generation))
        first = number * job.population
        batch = [Assignment(issuer, Number(first + place), 1) for place in range(job.population)]
        results = compute_results(opened, generation, weights, batch, BACKEND)
        for each, found in zip(batch, results, strict=True):
            state.count(CountedWork(generation, each.issuer, each.sequence, found))
        closed = state.close_if_due(Milliseconds((number + 1) * job.generation_interval_ms), BACKEND)
        assert closed is not None
        score = closed.score
    return score / len(prepared.holdout.labels)
