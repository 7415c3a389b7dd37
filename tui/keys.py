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

    RESOURCES = "resources"
    """What the node takes of its machine."""


class ViewKey(Struct, frozen=True):
    """A view and its key."""

    key: str
    """Digit that shows it."""

    view: View
    """The view."""

    title: str
    """Its name in the tab line."""

    short: str
    """The same where there is little room."""

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
    ViewKey("1", View.OVERVIEW, "Overview", "All", "the panels side by side"),
    ViewKey("2", View.DAG, "DAG", "DAG", "the latest transactions, each joined to its parents"),
    ViewKey("3", View.INTELLIGENCE, "Intelligence", "Model", "how the model learns, and what it looks for"),
    ViewKey("4", View.COMMITTEE, "Committee", "Votes", "rounds and votes of the validators, and the peers"),
    ViewKey("5", View.LOG, "Log", "Log", "everything that happened, filtered as you like"),
    ViewKey("6", View.JOBS, "Jobs", "Jobs", "paid jobs: what they cost, who does them, where they stand"),
    ViewKey("7", View.RESOURCES, "Resources", "Use", "processor, memory, disk, queues, work by device"),
)
"""The views in the order of their keys."""

FOLLOW_HELP = "follow the next newer, next older transaction of the picture"
"""Two keys, one sentence: they share a line of the help screen."""

NODES_HELP = "of several nodes, show the next one, the one before"
"""The same for two others."""

KEYS = (
    Key("q", "q", "quit", "quit", "leave the dashboard; the node goes on"),
    Key("question_mark", "?", "toggle_help", "help", "show or hide this page"),
    Key("p", "p", "toggle_pause", "pause", "hold all panels still, and let them go on"),
    Key("slash", "/", "filter_log", "filter", "show only log lines with a word; escape ends it"),
    Key("f", "f", "follow", "follow", "follow a transaction by its id, or how that begins"),
    Key("n", "n", "follow_newer", "newer", FOLLOW_HELP, is_in_footer=False),
    Key("o", "o", "follow_older", "older", FOLLOW_HELP, is_in_footer=False),
    Key(
        "right_square_bracket",
        "]",
        "watch_next",
        "next node",
        NODES_HELP,
        is_in_footer=False,
    ),
    Key(
        "left_square_bracket",
        "[",
        "watch_previous",
        "previous node",
        NODES_HELP,
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
