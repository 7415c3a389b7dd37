"""``Argmax`` and ``TopK``: of equals, the one at the lowest place comes first."""

import numpy as np

from aivm.oracle.graph.rounding import Wide
from aivm.program.operators import Argmax, TopK


def compute_argmax(operator: Argmax, values: Wide) -> Wide:
    """Smallest i with ``x_i = max x``."""
    places: Wide = np.argmax(values, axis=operator.axis + 1)  # numpy takes the first of equals
    return places


def compute_topk(operator: TopK, values: Wide) -> tuple[Wide, Wide]:
    """Values sorted by ``(-x_i, i)``, the first ``count`` of them, and their places."""
    order = np.argsort(-values, axis=operator.axis + 1, kind="stable")
    places = np.take(order, range(operator.count), axis=operator.axis + 1)
    return np.take_along_axis(values, places, axis=operator.axis + 1), places
