import logging
import sys
from collections.abc import Callable
from typing import Any

import msgspec
import structlog


def configure_logging() -> None:
    """One JSON object per line on standard output, for our own lines and those of the libraries (from warnings on)."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_encode),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.BytesLoggerFactory(sys.stdout.buffer),
        cache_logger_on_first_use=True,
    )


def _encode(line: dict[str, Any], default: Callable[[Any], Any]) -> bytes:
    """A line as JSON; what JSON cannot hold goes as its text."""
    return msgspec.json.encode(line, enc_hook=default)
