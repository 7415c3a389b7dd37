"""Evaluations in plain Python: lists and unbounded integers. Makes the expected values of the vectors."""

Matrix = list[list[int]]
"""Rows of integers."""


def compute_plain_logits(
    rows: Matrix,
    weights: list[Matrix],
    shifts: list[int],
    perturbation: tuple[int, list[list[int]], list[list[int]]] | None = None,
) -> Matrix:
    """Logits of every row.

    :param perturbation: ``(sign * sigma, a per layer, b per layer)``, or None for the unperturbed model.
    """
    logits = []
    for row in rows:
        values = row
        for place, matrix in enumerate(weights):
            step, left, right = perturbation or (0, [[0] * len(values)] * len(weights), [])
            projection = step * sum(value * sign for value, sign in zip(values, left[place], strict=True))
            sums = []
            for column in range(len(matrix[0])):
                total = sum(value * matrix[unit][column] for unit, value in enumerate(values))
                sums.append(total + (projection * right[place][column] if right else 0))
            if place == len(weights) - 1:
                logits.append(sums)
            else:
                values = [min(127, max(0, total >> shifts[place])) for total in sums]
    return logits


def compute_plain_result(
    rows: Matrix,
    labels: list[int],
    weights: list[Matrix],
    shifts: list[int],
    sigma: int,
    margins: tuple[int, int],
    signs: tuple[list[list[int]], list[list[int]]],
) -> int:
    """``d = F(+1) - F(-1)`` of one evaluation; ``margins`` are (low, high), ``signs`` (a, b) per layer."""
    low, high = margins
    fitness = []
    for sign in (1, -1):
        total = 0
        logits = compute_plain_logits(rows, weights, shifts, (sign * sigma, *signs))
        for values, label in zip(logits, labels, strict=True):
            other = max(value for place, value in enumerate(values) if place != label)
            total += min(high, max(-low, values[label] - other))
        fitness.append(total)
    return fitness[0] - fitness[1]


def compute_plain_answers(logits: Matrix) -> list[int]:
    """Index of each row's largest logit, the lowest on ties."""
    return [values.index(max(values)) for values in logits]
