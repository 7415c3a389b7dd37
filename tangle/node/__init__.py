"""Floor 2: the shells that make one running node out of the cores.

Ingest, gossip, synchronisation, the committee's driver and the compute pool each own a core, a few bounded
channels and a task group. No rule of the protocol lives here: a shell asks its core and does what the core
answers.
"""
