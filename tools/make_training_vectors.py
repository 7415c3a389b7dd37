"""Writes ``tests/vectors/poi/training.json``: ``python -m tools.make_training_vectors``.

Follows a small table from its text to the blob, the parameters, the standing job of a customer's order and
its first weights; ``tests/vectors/poi/README.md`` says what each field is.
"""

import json
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from aivm.backends.numpy_backend import NumpyBackend
from poi.evolution import make_open_job
from poi.job import compute_job_id
from poi.market.jobs import compute_job_name
from poi.state import JobState
from poi.tables.planning import plan_training
from poi.training import verify_training_data
from tangle.core.chunk_tree import compute_tree
from tangle.core.encoding import encode
from tangle.core.types import Milliseconds, PublicKey

TARGET: Final = Path(__file__).parent.parent / "tests" / "vectors" / "poi" / "training.json"
"""Where the tests read it."""

CUSTOMER: Final = PublicKey(bytes(range(32)))
"""Who orders, with its transaction number 7."""

TABLE: Final = "size,colour,kind\n" + "".join(
    f"{place * 7 % 23 if place % 5 else '?'},"
    f"{('red', 'blue', 'green')[place % 3]},{'big' if place % 2 else 'small'}\n"
    for place in range(30)
)
"""Numbers with gaps, texts, and two labels."""


def make_vectors() -> dict[str, Any]:
    """The content of the file."""
    plan = plan_training(TABLE.encode(), "kind")
    name = compute_job_name(CUSTOMER, 7)
    job = replace(plan.job, init_seed=name)
    parts = verify_training_data(job, plan.content)
    opened = make_open_job(job, parts.training, parts.holdout)
    first = JobState.start(opened, Milliseconds(0)).describe(0, NumpyBackend())
    return {
        "table": TABLE,
        "label": "kind",
        "blob": plan.content.hex(),
        "blob_id": compute_tree(plan.content).id.hex(),
        "training_root": job.dataset.hex(),
        "holdout_root": job.holdout.hex(),
        "parameters": encode(plan.job).hex(),
        "customer": CUSTOMER.hex(),
        "sequence": 7,
        "name": name.hex(),
        "job": compute_job_id(job).hex(),
        "initial_digest": first.digest.hex(),
        "initial_score": first.score,
    }


if __name__ == "__main__":
    TARGET.write_text(json.dumps(make_vectors(), indent=1) + "\n", encoding="utf-8")
