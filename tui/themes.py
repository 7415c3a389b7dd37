"""Three themes. Colours carry meaning: teal is final, violet is the model, amber waits, rose fails."""

from textual.theme import Theme

NIGHT = Theme(
    name="tangle-night",
    primary="#4fd6be",
    secondary="#a78bfa",
    accent="#6cb6ff",
    success="#7ee787",
    warning="#f2c063",
    error="#ff7b90",
    foreground="#d8e0ea",
    background="#0c1016",
    surface="#0c1016",
    panel="#151b24",
    boost="#1c2430",
    dark=True,
    variables={
        "tangle-muted": "#8492a6",
        "tangle-faint": "#333e4d",
        "footer-key-foreground": "#4fd6be",
        "footer-background": "#151b24",
        "footer-description-foreground": "#8492a6",
        "input-selection-background": "#4fd6be 30%",
    },
)
"""Dark; the one to begin with."""

PAPER = Theme(
    name="tangle-paper",
    primary="#0f766e",
    secondary="#6d3fc4",
    accent="#1d5fbf",
    success="#1a7f37",
    warning="#9a5b00",
    error="#c02040",
    foreground="#1f2937",
    background="#faf8f3",
    surface="#faf8f3",
    panel="#efebe1",
    boost="#e6e0d2",
    dark=False,
    variables={
        "tangle-muted": "#667085",
        "tangle-faint": "#cfc8b8",
        "footer-key-foreground": "#0f766e",
        "footer-background": "#efebe1",
        "footer-description-foreground": "#667085",
    },
)
"""Light, for bright rooms."""

CONTRAST = Theme(
    name="tangle-contrast",
    primary="#00ffd0",
    secondary="#d0a8ff",
    accent="#66c2ff",
    success="#66ff66",
    warning="#ffd000",
    error="#ff6680",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#101010",
    boost="#202020",
    dark=True,
    variables={
        "tangle-muted": "#c0c0c0",
        "tangle-faint": "#6a6a6a",
        "footer-key-foreground": "#00ffd0",
        "footer-background": "#101010",
        "footer-description-foreground": "#c0c0c0",
    },
)
"""Strong contrast, for weak eyes and projectors."""

THEMES = (NIGHT, PAPER, CONTRAST)
"""All of them; ``ctrl+p`` offers Textual's own as well."""

DEFAULT_THEME = NIGHT.name
"""Name of the first."""

FALLBACK_VARIABLES = {"tangle-muted": "#8c8c8c", "tangle-faint": "#555555"}
"""Our colours for themes that do not know them."""
