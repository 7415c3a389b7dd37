"""Asks which transaction to follow."""

import re
from collections.abc import Iterable
from typing import Final

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Label

ID_DIGITS: Final = 64
"""Hexadecimal digits of a whole id."""


class FollowScreen(ModalScreen[str]):
    """One line to type into; gives what was typed, or nothing."""

    BINDINGS = [("escape", "leave", "close")]  # noqa: RUF012 - Textual reads it from the class

    def compose(self) -> ComposeResult:
        """A question and a field."""
        with Vertical(id="follow"):
            yield Label("Follow a transaction")
            yield Input(placeholder="its id, or how that begins", max_length=ID_DIGITS, compact=True)

    def on_mount(self) -> None:
        """Type at once."""
        self.query_one(Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Done."""
        event.stop()
        _ = self.dismiss(event.value)  # awaited here, it would wait for this very message

    def action_leave(self) -> None:
        """Follow what was followed before."""
        _ = self.dismiss(None)


def find_transaction(typed: str, known: Iterable[str]) -> str | None:
    """The id that somebody means: the latest known one that begins so, or a whole id of any other.

    :param known: ids, the latest last.
    """
    wanted = typed.strip().lower()
    if not re.fullmatch(r"[0-9a-f]{1,64}", wanted):
        return None
    found = [identity for identity in known if identity.startswith(wanted)]
    if found:
        return found[-1]
    return wanted if len(wanted) == ID_DIGITS else None
