"""Floor 1: the shard map and the committee of each shard.

Validators exchange blocks in rounds; a commit rule turns their DAG into one order; checkpoints of the
executed state are attested and, with enough stake, certified. Pure state machines: messages and ``now`` in,
decisions and deadlines out.
"""
