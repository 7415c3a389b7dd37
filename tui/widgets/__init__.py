"""The panels. Each is reactive on the snapshot and draws with the functions of ``tui.drawing``."""
