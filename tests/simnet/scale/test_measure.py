"""Costs are measured on the real code, and sizes are those of the real encodings."""

from msgspec.structs import astuple

from simnet.chance import make_key
from simnet.scale.measure import measure_costs
from simnet.scale.samples import SEED, make_block
from tangle.core.types import ChainId


def test_every_step_is_measured_and_sizes_are_those_of_real_blocks() -> None:
    steps: list[str] = []
    costs = measure_costs(steps.append, transactions=128)
    assert steps == ["making transactions", "transactions", "blocks"]
    assert min(astuple(costs.transaction)) > 0
    positive = (costs.block.decode_us, costs.block.accept_us + costs.block.accept_member_us)
    assert min(*positive, costs.block.signature_us, costs.block.make_us, costs.fold_us) > 0
    assert 200 < costs.transaction.bytes < 400
    assert costs.announce_bytes > 32
    block = make_block(make_key(SEED, "validator", 0), ChainId(bytes(8)), 40, 30, 3)
    assert abs(costs.block.compute_bytes(40, 30, 3) - len(block.encoded)) < 20
