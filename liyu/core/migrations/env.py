"""What Alembic runs: one connection, one transaction for all revisions."""

from alembic import context
from sqlalchemy import create_engine, pool

from liyu.core.migrations import is_ours
from liyu.core.migrations.tables import metadata


def run() -> None:
    """Run the wanted revisions; two processes that start together wait for each other."""
    url = context.config.get_main_option("sqlalchemy.url")
    assert url is not None
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=metadata, include_name=is_ours)
        with context.begin_transaction():
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(76101)")
            context.run_migrations()


run()
