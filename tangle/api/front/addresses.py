"""Where the doors of a shard's node listen: a file in the shard's directory tells the front."""

from contextlib import suppress

import msgspec
from msgspec import Struct

from tangle.store.files import write_private_file
from tangle.store.home import Home


class DoorAddresses(Struct, frozen=True):
    """The doors of one shard's node, all on loopback."""

    api: str
    """Base URL of its API."""

    metrics: str
    """URL of its metrics page."""

    admin: str
    """Base URL of its operator's door."""

    process: int
    """Id of the process; shards of one process share its memory."""


def write_addresses(part: Home, addresses: DoorAddresses) -> None:
    """Tell where a shard's doors listen now."""
    write_private_file(part.doors, msgspec.json.encode(addresses))


def forget_addresses(part: Home) -> None:
    """Tell that nothing listens: the ports of an earlier process may be another program's now."""
    with suppress(FileNotFoundError):
        part.doors.unlink()


def read_addresses(part: Home) -> DoorAddresses | None:
    """Where a shard's doors listen; none while they do not."""
    try:
        return msgspec.json.decode(part.doors.read_bytes(), type=DoorAddresses)
    except (OSError, msgspec.MsgspecError):
        return None
