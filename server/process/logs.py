"""Structured logs: one JSON object a line."""

from __future__ import annotations

import logging
import sys
import warnings
from datetime import UTC, datetime

import orjson
from pydantic.warnings import UnsupportedFieldAttributeWarning

_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}


class JsonLines(logging.Formatter):
    """Time, level, logger, message, and the fields of `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _USUAL}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def log_to_stderr(level: str, *, access_log: bool = False) -> None:
    """Send the lines of every logger, and warnings of Python, to stderr as JSON.

    access_log  include a line for each request
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.captureWarnings(capture=True)
    # FastAPI ignores it by a filter of the process, which ends early if another thread changes
    # filters meanwhile, as numba does.
    warnings.filterwarnings("ignore", category=UnsupportedFieldAttributeWarning)
    logging.getLogger("alembic").setLevel(logging.WARNING)  # the server logs the same
    # URLs of the server's own requests contain secrets of their receivers.
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("novaql.server.access").disabled = not access_log
    logging.getLogger("uvicorn.access").disabled = True  # the edge writes the access log
