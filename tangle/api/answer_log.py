"""One log line for each answer, at the level ``debug``; it costs next to nothing while that is not logged."""

import logging
from typing import Any, Final

import structlog

LEVEL: Final = logging.DEBUG


class AnswerLog:
    """Writes the lines. An operator may change what is logged while the node runs."""

    def __init__(self) -> None:
        self._kind: Any = None
        self._is_wanted = True

    def write(self, method: str, route: str, status: int, elapsed_s: float) -> None:
        """One line, if such lines are logged now."""
        # Making a logger takes longer than the rest of the answer's bookkeeping, so it is made once for each
        # setting. Settings replace the logger's class.
        kind = structlog.get_config()["wrapper_class"]
        if kind is not self._kind:
            logger = structlog.get_logger(__name__).bind()
            is_enabled = getattr(logger, "is_enabled_for", None)  # loggers that filter nothing have none
            self._kind, self._is_wanted = kind, is_enabled is None or is_enabled(LEVEL)
        if self._is_wanted:
            structlog.get_logger(__name__).debug(
                "api.answer", method=method, route=route, status=status, elapsed_s=elapsed_s
            )
