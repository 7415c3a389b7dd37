"""What an operator may do about peers while the node runs: look, add, remove, ban, lift bans, drain.

What is decided here holds over a restart, drain excepted, and is on disk before the answer is given. The
peers of the node's settings are left alone: what a file says is changed in the file.
"""

from msgspec import Struct

from tangle.core.errors import TangleError
from tangle.core.types import PublicKey
from tangle.net.address_book import CONFIGURED_MAX
from tangle.net.addresses import Address, parse_address
from tangle.net.bans import Ban, parse_subject
from tangle.net.errors import SessionClosed
from tangle.node.peering import Peering
from tangle.node.views import NotFound


class KnownAddress(Struct, frozen=True):
    """An address that the node knows, and how it stands with it."""

    address: str
    is_settled: bool
    """Whether the node's settings name it."""

    is_added: bool
    """Whether the operator added it."""

    is_tried: bool
    """Whether there was a session with it."""

    failures: int
    """Dials in a row that came to nothing."""

    public_key: PublicKey | None
    """Who was there last, as far as it is known."""

    is_connected: bool
    """Whether there is a session with that one now."""


class PeerSettled(TangleError):
    """A peer that is removed where it does not stand."""

    code = "peer-settled"

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__(f"{address} stands in the node's settings; take it out of peers there and restart")


class PeersFull(TangleError):
    """A peer too many that is to be kept connected."""

    code = "peers-full"

    def __init__(self) -> None:
        super().__init__(f"{CONFIGURED_MAX} peers are kept connected already; remove some")


class PeerDesk:
    """The operator's half of the peering."""

    def __init__(self, peering: Peering) -> None:
        self._peering = peering

    def list_addresses(self) -> tuple[KnownAddress, ...]:
        """All of the address book: those that are kept connected first, then those reached before."""
        dialler = self._peering.dialler
        book = dialler.book
        configured = [
            self._describe(address, is_tried=book.is_tried(address), failures=book.get_failures(address))
            for address in book.list_configured()
        ]
        heard = sorted(
            book.list_heard(), key=lambda entry: (not entry.is_tried, entry.failures, entry.address)
        )
        others = [
            self._describe(each.address, is_tried=each.is_tried, failures=each.failures) for each in heard
        ]
        return (*configured, *others)

    def list_bans(self) -> tuple[Ban, ...]:
        """The bans that hold now, the oldest first."""
        return self._peering.admission.list_bans()

    async def add(self, text: str) -> str:
        """Keep a peer connected from now on; answers its address as it is shown.

        :raises InvalidAddress: it is none.
        :raises PeersFull: there are too many.
        """
        address = parse_address(text)
        dialler = self._peering.dialler
        if not dialler.is_settled(address):
            if not dialler.book.configure(address):
                raise PeersFull
            await self._peering.save()
            dialler.wake()
        return str(address)

    async def remove(self, text: str) -> str:
        """Forget an address, and end the session with who is there if this node dialled it.

        :raises InvalidAddress: it is none.
        :raises PeerSettled: it stands in the settings.
        :raises NotFound: the node does not know it.
        """
        address = parse_address(text)
        dialler = self._peering.dialler
        if dialler.is_settled(address):
            raise PeerSettled(str(address))
        identity = dialler.find_identity(address)
        if not dialler.book.forget(address):
            raise NotFound("address", str(address))
        for peer in self._peering.get_peers():
            if peer.public_key == identity and peer.is_outbound:
                peer.cut(SessionClosed(b"operator"))
                break
        await self._peering.save()
        return str(address)

    async def ban(self, text: str, reason: str, duration_s: int | None) -> Ban:
        """Keep an identity, a host or a network out from now on, and end the sessions with it.

        :param duration_s: none for ever.
        :raises InvalidSubject: the text names nobody.
        :raises BansFull: there are too many.
        """
        duration_ms = None if duration_s is None else duration_s * 1_000
        ban = self._peering.admission.ban(parse_subject(text), reason, duration_ms)
        self._peering.part()
        await self._peering.save()
        return ban

    async def unban(self, text: str) -> None:
        """End a ban, whoever made it; the faults that led to it are forgiven.

        :raises InvalidSubject: the text names nobody.
        :raises NotFound: there is no such ban.
        """
        if not self._peering.admission.lift(parse_subject(text)):
            raise NotFound("ban", text)
        self._peering.dialler.wake()
        await self._peering.save()

    def drain(self, is_draining: bool) -> int:
        """Let nobody in and dial nobody, or go back to both; answers how many sessions there are."""
        self._peering.drain(is_draining)
        return len(self._peering.get_peers())

    def _describe(self, address: Address, *, is_tried: bool, failures: int) -> KnownAddress:
        dialler = self._peering.dialler
        identity = dialler.find_identity(address)
        is_settled = dialler.is_settled(address)
        return KnownAddress(
            address=str(address),
            is_settled=is_settled,
            is_added=not is_settled and dialler.book.is_configured(address),
            is_tried=is_tried,
            failures=failures,
            public_key=identity,
            is_connected=identity is not None and self._peering.is_connected(identity),
        )
