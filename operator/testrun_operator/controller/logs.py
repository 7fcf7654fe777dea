"""Structured logs: one JSON object a line, with run, case and attempt where they are known."""

import logging
import sys

from pythonjsonlogger.json import JsonFormatter


def configure_logs(level: str) -> None:
    """Write all logs to standard error as JSON.

    Args:
        level: DEBUG, INFO, WARNING or ERROR.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter(
            "%(asctime)s %(levelname)s %(name)s %(message)s",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # kopf tells of every handler that it calls; that is ours to tell where it matters.
    logging.getLogger("kopf").setLevel(max(logging.WARNING, root.level) if level != "DEBUG" else logging.DEBUG)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
