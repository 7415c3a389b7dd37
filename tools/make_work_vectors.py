"""Writes ``tests/vectors/poi/digits.json``: ``python tools/make_work_vectors.py``.

Follows the digits job from its parameters to its second generation; ``tests/vectors/poi/README.md`` says what
each field is. The evaluations are computed by the oracle, not by a backend.
"""

import json
from pathlib import Path
from typing import Any, Final

from aivm.backends.numpy_backend import NumpyBackend
from aivm.batch import EvaluationBatch
from aivm.oracle.layered import compute_results
from poi.events import Assignment, CountedWork
from poi.evolution import get_batch, open_job
from poi.presets import DIGITS
from poi.seeds import compute_batch_places, compute_evaluation_seed, compute_signs
from poi.state import JobState
from tangle.core.encoding import encode
from tangle.core.types import Milliseconds, PublicKey, Sequence

TARGET: Final = Path(__file__).parent.parent / "tests" / "vectors" / "poi" / "digits.json"
"""Where the tests read it."""

EVALUATIONS_EACH: Final = 2
"""Evaluations per transaction, so that streams are continued."""

GENERATIONS: Final = 2
"""Generations followed: the second evaluates weights that a fold made."""


def make_vectors() -> dict[str, Any]:
    """Everything in the file."""
    opened = open_job(DIGITS)
    state = JobState.start(opened, Milliseconds(0))
    transactions = DIGITS.population // EVALUATIONS_EACH
    generations = []
    for generation in range(GENERATIONS):
        numbers = range(generation * transactions, (generation + 1) * transactions)
        batch = [
            Assignment(PublicKey(bytes([number % 4]) * 32), Sequence(number), EVALUATIONS_EACH)
            for number in numbers
        ]
        left, right = compute_signs(opened.shape, opened.id, generation, batch)
        rows, labels = get_batch(opened, generation)
        computed = compute_results(
            EvaluationBatch(opened.shape, state.weights, rows, labels, left, right)
        ).tolist()
        works = []
        for place, each in enumerate(batch):
            results = tuple(computed[place * EVALUATIONS_EACH : (place + 1) * EVALUATIONS_EACH])
            state.count(CountedWork(generation, each.issuer, each.sequence, results))
            seed = compute_evaluation_seed(opened.id, generation, each)
            works.append(
                {
                    "issuer": each.issuer.hex(),
                    "sequence": each.sequence,
                    "seed": seed.hex(),
                    "results": list(results),
                }
            )
        closed = state.close_if_due(
            Milliseconds(DIGITS.generation_interval_ms * (generation + 1)), NumpyBackend()
        )
        assert closed is not None
        places = compute_batch_places(opened.id, generation, DIGITS.rows, len(opened.training.rows))
        generations.append(
            {
                "batch": places.tolist(),
                "works": works,
                "next_digest": closed.digest.hex(),
                "score": closed.score,
            }
        )
    start = JobState.start(opened, Milliseconds(0)).describe(0, NumpyBackend())
    return {
        "format": "tangle-poi-1",
        "parameters": encode(DIGITS).hex(),
        "job": opened.id.hex(),
        "initial_digest": start.digest.hex(),
        "initial_score": start.score,
        "generations": generations,
    }


if __name__ == "__main__":
    TARGET.write_text(json.dumps(make_vectors(), indent=1) + "\n", encoding="utf-8")
