from collections.abc import AsyncIterator

import pytest

from tests.partners.settling import Books


@pytest.fixture
async def books(database_url: str) -> AsyncIterator[Books]:
    async with Books.open(database_url, "P1") as opened:
        yield opened
