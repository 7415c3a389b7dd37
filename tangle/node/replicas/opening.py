"""Puts the room for fast answers together over a running node."""

from tangle.node.blobs import BlobRoom
from tangle.node.jobs.bench import Bench
from tangle.node.node import Node
from tangle.node.replicas.node_payments import NodePayments
from tangle.node.replicas.programs import ProgramLibrary
from tangle.node.replicas.room import ReplicaRoom
from tangle.node.replicas.worker import ReplicaWorker
from tangle.node.sandbox.runner import ProgramRunner


def open_replicas(node: Node, blobs: BlobRoom, runner: ProgramRunner, bench: Bench) -> ReplicaRoom:
    """The room for fast answers of a node, which peers can ask once it runs.

    :param runner: runs programs of strangers. :param bench: does what would hold the event loop up.
    """
    programs, payments = ProgramLibrary(blobs, bench), NodePayments(node)
    key = node.validator_key
    worker = None
    if key is not None:
        worker = ReplicaWorker(
            key=key,
            chain=node.chain,
            runner=runner,
            programs=programs,
            payments=payments,
            randomness=node.parts.randomness,
        )
    room = ReplicaRoom(
        chain=node.chain,
        identity=node.parts.node_key.public_key,
        get_validators=lambda: frozenset(each.public_key for each in node.committee.validators),
        neighbours=node.peering,
        blobs=blobs,
        door=node.intake,
        programs=programs,
        payments=payments,
        worker=worker,
    )
    node.peering.replicas = room
    return room
