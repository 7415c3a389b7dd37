"""What one node may choose for itself about jobs."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from tangle.core.types import GRAINS_PER_TOKEN

AMOUNT_MAX: Final = 2**63 - 1
"""Most grains that there can be."""


class JobsConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the table ``[jobs]`` in ``config.toml``."""

    worker: bool = False
    """Take paid jobs, with the node's own account, once that has the bond and the fee; and evaluate for paid
    models that wait."""

    speed: Annotated[int, Meta(ge=1, le=2**40)] = 2_000
    """Units of work (65,536 elementary steps each) that this machine does in a second; who promises more than
    it can do is late, and pays for it."""

    slots: Annotated[int, Meta(ge=1, le=64)] = 4
    """Jobs taken at a time, those included whose result may still be challenged."""

    units_max: Annotated[int, Meta(ge=1, le=2**40)] = 200_000
    """Largest job that is taken, in units; a network of 3 MB takes 8,500 a row."""

    price_min: Annotated[int, Meta(ge=0, le=AMOUNT_MAX)] = 1
    """Least grains for a unit."""

    bond: Annotated[int, Meta(ge=1, le=AMOUNT_MAX)] = 20 * GRAINS_PER_TOKEN
    """Grains put up as a worker's bond; a wrong result loses from it."""

    check_units_max: Annotated[int, Meta(ge=0, le=2**40)] = 20_000
    """Results of jobs up to this size are computed again before this validator votes on them; larger ones are
    checked by projections of what their worker serves."""

    challenge: bool = True
    """Whether this validator challenges results that it found to be wrong, with a bond from its account."""

    processes: Annotated[int, Meta(ge=1, le=64)] = 1
    """Worker processes for programs of strangers; they start with the first one."""

    patience_ms: Annotated[int, Meta(ge=100, le=3_600_000)] = 30_000
    """How long to wait for a blob that a job needs before going on without it."""
