"""Floor 3: a typed, asynchronous client of the HTTP API; the command line, the dashboard and the tests use
it.
"""
