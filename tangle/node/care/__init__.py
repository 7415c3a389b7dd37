"""Care for what a node has on disk: checks, repairs, a glance at each start, an eye on free space."""
