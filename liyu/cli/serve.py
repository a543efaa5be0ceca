"""`liyu serve`: the web server."""

import os
from typing import Any

import rich_click as click
import uvicorn
from uvicorn.supervisors import Multiprocess

from liyu.cli.installation import load_settings, require_tables, run
from liyu.cli.ports import reserve_port


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535))
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Server processes.")
def command(host: str, port: int, workers: int) -> None:
    """Serve the mall, the partner portal, the console and the API."""
    settings = load_settings()
    assert settings.database_url is not None
    run(require_tables(settings))
    # The server processes are spawned afresh and read the environment: they must find the database that was started here.
    os.environ["LIYU_DATABASE_URL"] = settings.database_url
    os.environ["LIYU_DATA_DIR"] = str(settings.data_dir)
    options: dict[str, Any] = {
        "factory": True,
        "host": host,
        "port": port,
        "access_log": False,
        "log_level": "warning",
        "server_header": False,
        "proxy_headers": True,
        "timeout_graceful_shutdown": 3,
    }
    application = "liyu.web.app:application"
    if workers == 1:
        uvicorn.run(application, **options)
    else:
        Multiprocess(uvicorn.Config(application, workers=workers, **options), [reserve_port(host, port)]).run()
