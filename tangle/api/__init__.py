"""Floor 3: the HTTP door. Routes, streams and metrics over one node; every refusal is an RFC 9457 problem."""
