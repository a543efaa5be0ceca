"""Alembic migrations, run from code: an installation has no alembic.ini to keep in step."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine

from liyu.core.database import driver_url


def _config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("sqlalchemy.url", driver_url(url).replace("%", "%%"))
    return config


def upgrade(url: str) -> None:
    """Bring the database at `url` to the newest revision; a database that is there already is left as it is."""
    command.upgrade(_config(url), "head")


def newest_revision() -> str:
    """The revision that this code expects."""
    head = ScriptDirectory.from_config(_config("postgresql://")).get_current_head()
    assert head is not None
    return head


def current_revision(connection: Connection) -> str | None:
    """The revision that the database has; None for an empty one."""
    return MigrationContext.configure(connection).get_current_revision()


def draft(url: str, message: str) -> None:
    """Write a new revision from the difference between the tables in code and the database at `url`."""
    command.revision(_config(url), message=message, autogenerate=True)


def differences(url: str) -> list[object]:
    """What the tables in code have that the database has not, or the other way round; empty when they agree."""
    from alembic.autogenerate import compare_metadata

    from liyu.core.migrations.tables import metadata

    engine = create_engine(driver_url(url))
    try:
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"include_name": is_ours})
            return list(compare_metadata(context, metadata))
    finally:
        engine.dispose()


def is_ours(name: str | None, kind: str, parents: object) -> bool:
    """Whether a table is described in code; procrastinate brings its own."""
    return not (kind == "table" and (name or "").startswith("procrastinate"))
