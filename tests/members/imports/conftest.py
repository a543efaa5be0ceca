from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.members.imports.importing import Importer
from tests.world import open_world


@pytest.fixture
async def importer(database_url: str, tmp_path: Path) -> AsyncIterator[Importer]:
    """A world without members; the books are proven when the test is over."""
    async with open_world(database_url) as world:
        yield Importer(world, tmp_path)
