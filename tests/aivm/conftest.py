"""One tinygrad backend for all tests: programs compiled by one test serve the next."""

import os

import pytest

from aivm.backends.discovery import find_compiler, set_environment
from aivm.backends.opening import open_backend
from aivm.backends.protocol import Backend
from tests.aivm.builders import CACHE

# Before any test module imports tinygrad, which reads its environment then.
set_environment(os.environ, find_compiler(os.environ), CACHE)


@pytest.fixture(scope="session")
def tinygrad_backend() -> Backend:
    return open_backend("CPU", os.environ, CACHE)
