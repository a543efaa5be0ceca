"""One installation with the demo program for all tests of this folder, and one browser.

Both live as long as this folder's tests run, and not as long as the whole run: Playwright's event loop would stand in the way of
tests that have one of their own. In a parallel run one worker gets all of these tests, so the demo is loaded once.
"""

import socket
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Browser, expect, sync_playwright
from psycopg import sql

from liyu.core.embedded import EmbeddedPostgres
from tests.e2e.installation import Installation
from tests.e2e.people import PATIENCE_MILLISECONDS, OpenVisitor, People, Visitor

# The browser talks to this machine and to nobody else.
QUIET = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-sync",
    "--no-first-run",
    "--no-pings",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    # Without a graphics card, drawing by one in software costs an eighth more than drawing at once.
    "--disable-gpu",
]


@pytest.fixture(scope="package")
def installation(cluster: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A running installation with the demo program, in a database of its own on the PostgreSQL of this run."""
    name = f"e2e_{uuid.uuid4().hex}"
    made = Installation(tmp_path_factory.mktemp("e2e"), cluster.url(name), _free_port())
    with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        made.load_demo()
        with made.running():
            yield made
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="package")
def browser(browser_type_launch_args: dict[str, Any]) -> Iterator[Browser]:
    """The system's Chromium."""
    arguments = [*browser_type_launch_args["args"], *QUIET]
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(**{**browser_type_launch_args, "args": arguments})
        yield launched
        launched.close()


@pytest.fixture(scope="package")
def people(browser: Browser, installation: Installation) -> People:
    """Everybody who uses the installation."""
    return People(browser, installation)


@pytest.fixture
def visit(people: People) -> Iterator[OpenVisitor]:
    """Opens a browser for somebody; at the end none of them may have met an error that people do not see."""
    opened: list[Visitor] = []

    def open_one(**wishes: Any) -> Visitor:
        opened.append(people.open(**wishes))
        return opened[-1]

    yield open_one
    for visitor in opened:
        visitor.page.context.close()
    assert [trouble for visitor in opened for trouble in visitor.trouble] == []


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
