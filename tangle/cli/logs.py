"""How a running node's log looks: lines for people on a terminal, JSON lines in a file."""

import logging
import sys
from typing import Final

import structlog

LEVELS: Final = ("debug", "info", "warning", "error")
"""Least urgent first."""


def configure_logging(level: str, *, is_console: bool) -> None:
    """Send the log to standard error.

    :param level: one of ``LEVELS``; what is less urgent is left out.
    :param is_console: for people; else a JSON object a line.
    """
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer()
    if is_console:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
