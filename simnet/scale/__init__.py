"""The scale model: what the protocol would do with up to ten thousand nodes, from costs that are measured.

The simulator runs the real node and ends at some tens of nodes. This model keeps what decides time and bytes
(rounds, quorums, distances, queues, sizes) and leaves out the rest, so that a point takes a second. Where
both can run, one is held against the other (``against.py``).
"""
