"""`liyu serve`: the web server."""

import os

import rich_click as click

from liyu.cli.installation import load_settings


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535))
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Server processes.")
def command(host: str, port: int, workers: int) -> None:
    """Serve the mall, the partner portal, the console and the API."""
    import uvicorn

    settings = load_settings()
    assert settings.database_url is not None
    # The server processes are spawned afresh and read the environment: they must find the database that was started here.
    os.environ["LIYU_DATABASE_URL"] = settings.database_url
    os.environ["LIYU_DATA_DIR"] = str(settings.data_dir)
    uvicorn.run(
        "liyu.web.app:application",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=True,
        timeout_graceful_shutdown=3,
    )
