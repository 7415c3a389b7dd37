"""Floor 4: the simulator. Many nodes in one process, in virtual time, with networks and disks that fail on
purpose.
"""
