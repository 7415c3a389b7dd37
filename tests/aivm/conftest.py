"""One tinygrad backend for all tests: programs compiled by one test serve the next."""

import os
from pathlib import Path

import pytest

from aivm.backends.opening import open_backend
from aivm.backends.protocol import Backend

CACHE = Path(__file__).parents[2] / ".pytest_cache" / "kernels"


@pytest.fixture(scope="session")
def tinygrad_backend() -> Backend:
    return open_backend("CPU", os.environ, CACHE)
