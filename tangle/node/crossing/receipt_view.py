"""The receipt of a transfer, beside the transfer itself."""

from msgspec import Struct


class ReceiptView(Struct, frozen=True):
    """The receipt that a transfer to another shard left."""

    target: int
    """Shard where it is to be credited."""

    sequence: int
    """Its number among those from this shard to that one."""
