"""A node whose disk is nearly full says so with a status that clients wait on."""

from http import HTTPStatus

from tangle.api.problems import make_problem, make_problem_response
from tangle.node.disk_watch import RETRY_AFTER_S, DiskRunsLow


def test_it_is_a_503_that_says_when_to_come_again() -> None:
    error = DiskRunsLow(free_bytes=700 << 20, low_bytes=1 << 30)
    problem = make_problem(error, "/v1/transactions")
    assert (problem.status, problem.code) == (HTTPStatus.SERVICE_UNAVAILABLE, "disk-low")
    assert "700 MiB" in problem.detail
    assert make_problem_response(error, "/").headers["Retry-After"] == f"{RETRY_AFTER_S:.0f}"
