"""Views and keys, as data: bindings, footer, help screen and tests are made from these tables."""

from enum import StrEnum

from msgspec import Struct


class View(StrEnum):
    """What the body shows."""

    OVERVIEW = "overview"
    """The panels side by side."""

    DAG = "dag"
    """The sub-DAG alone."""

    INTELLIGENCE = "intelligence"
    """The model alone."""

    COMMITTEE = "committee"
    """The committee above the peers."""

    LOG = "log"
    """The event tail alone."""

    JOBS = "jobs"
    """The job market alone."""


class ViewKey(Struct, frozen=True):
    """A view and its key."""

    key: str
    """Digit that shows it."""

    view: View
    """The view."""

    title: str
    """Its name in the tab line."""

    help: str
    """What it shows."""


class Key(Struct, frozen=True):
    """A key and what it does."""

    key: str
    """Name of the key, as Textual writes it."""

    shown: str
    """The key as people know it."""

    action: str
    """Action of the application."""

    title: str
    """Word in the footer."""

    help: str
    """Sentence on the help screen."""

    is_in_footer: bool = True
    """Whether the footer has room for it."""


VIEW_KEYS = (
    ViewKey("1", View.OVERVIEW, "Overview", "the panels side by side"),
    ViewKey("2", View.DAG, "DAG", "the latest transactions, each joined to its parents"),
    ViewKey("3", View.INTELLIGENCE, "Intelligence", "how the model learns, and what it looks for"),
    ViewKey("4", View.COMMITTEE, "Committee", "rounds and votes of the validators, and the peers"),
    ViewKey("5", View.LOG, "Log", "everything that happened, filtered as you like"),
    ViewKey("6", View.JOBS, "Jobs", "paid jobs: what they cost, who does them, where they stand"),
)
"""The views in the order of their keys."""

KEYS = (
    Key("q", "q", "quit", "quit", "leave the dashboard; the node goes on"),
    Key("question_mark", "?", "toggle_help", "help", "show or hide this page"),
    Key("p", "p", "toggle_pause", "pause", "hold all panels still, and let them go on"),
    Key("slash", "/", "filter_log", "filter", "show only log lines with a word; escape ends it"),
    Key(
        "right_square_bracket",
        "]",
        "watch_next",
        "next node",
        "of several nodes, show the next one",
        is_in_footer=False,
    ),
    Key(
        "left_square_bracket",
        "[",
        "watch_previous",
        "previous node",
        "of several nodes, show the one before",
        is_in_footer=False,
    ),
    Key(
        "escape",
        "esc",
        "leave",
        "back",
        "close what is open, end the filter, go back to 1",
        is_in_footer=False,
    ),
    Key(
        "tab", "tab", "app.focus_next", "next", "move to the next panel; arrows scroll it", is_in_footer=False
    ),
    Key("ctrl+p", "^p", "command_palette", "palette", "find any command, choose a theme", is_in_footer=False),
)
"""Every other key."""
