"""Round costs and small committees by hand: what the model is tested with does not depend on the machine."""

import numpy as np

from simnet.scale.costs import BlockCosts, StepCosts, TransactionCosts
from simnet.scale.plan import make_pace
from simnet.scale.rounds import Committee, Times

COSTS = StepCosts(
    transaction=TransactionCosts(
        decode_us=20,
        signature_us=100,
        work_us=50,
        attach_us=10,
        order_us=2,
        execute_us=20,
        send_us=8,
        bytes=300,
    ),
    block=BlockCosts(
        decode_us=10,
        decode_ancestor_us=1,
        decode_tip_us=0.2,
        accept_us=20,
        accept_member_us=4,
        signature_us=100,
        make_us=50,
        base_bytes=100,
        ancestor_bytes=40,
        tip_bytes=34,
        attestation_bytes=106,
    ),
    checkpoint_us=800,
    fold_us=300,
    announce_bytes=34,
    frame_bytes=21,
    machine="by hand",
)
"""Round figures near what a small machine shows."""


def make_committee(latency_s: Times, *, rounds: int = 40, load: float = 1e-9) -> Committee:
    """Nothing but distance takes time, and (nearly) nothing enters; validator ``round % size`` leads."""
    size = len(latency_s)
    return Committee(
        latency_s=latency_s,
        spread_s=np.zeros((size, size)),
        load=load,
        pace=make_pace(),
        leaders=np.array([[number % size] for number in range(rounds + 1)]),
        core_s=0.0,
        worker_s=0.0,
        make_s=0.0,
        send_s=0.0,
        disk_s=0.0,
        jitter_s=0.0,
    )


def make_even_latencies(size: int, latency_s: float) -> Times:
    """Everybody is equally far from everybody else."""
    return np.asarray(latency_s * (1.0 - np.eye(size)))
