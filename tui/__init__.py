"""Floor 4: the operator's dashboard in a terminal, fed by the HTTP API alone."""
