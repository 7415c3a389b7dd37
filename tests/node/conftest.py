"""Virtual time for every asynchronous test of the node, on both backends."""

import pytest

from tests.node.twins import make_backend


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, object]]:
    name: str = request.param
    return make_backend(name)
