"""Pure drawing: facts and a size in, coloured text out. Nothing here knows a widget, a clock or a node."""
