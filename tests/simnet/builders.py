"""Small simulations for tests."""

from simnet.faults import Fault
from simnet.network import REGIONS
from simnet.options import EPOCH_DEFAULT_MS, ClockError, SimulationOptions


def make_options(
    seed: int = 1,
    *,
    nodes: int = 4,
    time_s: float = 6.0,
    faults: tuple[Fault, ...] = (),
    rate: float = 8.0,
    double_spends: float = 0.0,
    epoch_ms: int = EPOCH_DEFAULT_MS,
    seats: tuple[tuple[int, ...], ...] = (),
) -> SimulationOptions:
    """Nodes in one region, with clocks that are a little wrong."""
    return SimulationOptions(
        seed=seed,
        nodes=nodes,
        time_s=time_s,
        regions=(REGIONS[0],) * nodes,
        clocks=tuple(ClockError(10 * index, 50 - 20 * index) for index in range(nodes)),
        faults=faults,
        rate=rate,
        double_spends=double_spends,
        epoch_ms=epoch_ms,
        seats=seats,
    )
