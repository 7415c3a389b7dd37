"""Entering the committee after a start: first know what one signed before, then be level with the others.

A validator whose disk was lost or restored might sign a second block for a slot that it has signed before.
Its last-signed guard prevents that as long as the guard itself is right; so it also asks its peers for its
own latest block, waits for signed answers of validators of more than the faulty weight, and takes part only
when it has accepted that block itself. Source: anchors 2.9.
"""

from typing import Final

import anyio
import structlog

from shards.blocks import BlockReference
from tangle.core.errors import TangleError
from tangle.core.types import Digest, PublicKey
from tangle.net.ledger_messages import GetOwnLatest, OwnLatest
from tangle.node.catch_up import CatchUp
from tangle.node.committee_driver import CommitteeDriver
from tangle.node.fetcher import Fetcher
from tangle.node.peer import Peer
from tangle.node.peering import Peering
from tangle.node.randomness import Randomness
from tangle.node.vouching import check_voucher

ASK_INTERVAL_S: Final = 0.25
"""Pause between two looks at who has answered."""

SHOW_TIMEOUT_S: Final = 10.0
"""How long peers have to show the block that they say this validator signed."""

CHALLENGE_SIZE: Final = 32
"""Random bytes that the answers are signed over: nobody has seen them before."""

log = structlog.get_logger("entry")


class Survey:
    """What the other validators say this one signed last."""

    def __init__(self, peering: Peering, driver: CommitteeDriver, challenge: Digest) -> None:
        """:param challenge: drawn for this survey alone."""
        key = driver.setting.key
        own = None if key is None else driver.setting.committee.index_of(key.public_key)
        assert key is not None, "observers do not enter"
        assert own is not None, "only members of the committee enter it"
        self._peering = peering
        self._setting = driver.setting
        self._vouched = driver.vouched
        self._own = own
        self._request = GetOwnLatest(
            0, driver.setting.shard, driver.setting.committee.epoch, key.public_key, challenge
        )
        self._asked: set[PublicKey] = set()
        self._answers: dict[int, BlockReference | None] = {}

    @property
    def is_enough(self) -> bool:
        """Whether an honest validator is among those that answered, or this one is a quorum by itself."""
        committee = self._setting.committee
        if committee.weights[self._own] >= committee.quorum:
            return True
        return committee.compute_weight(set(self._answers)) >= committee.validity

    def get_signed(self) -> list[BlockReference]:
        """Own blocks that were named."""
        return [reference for reference in self._answers.values() if reference is not None]

    async def run(self) -> None:
        """Ask everybody that says it is a validator until enough of them have proven it."""
        async with anyio.create_task_group() as tasks:
            while not self.is_enough:
                for peer in self._peering.get_peers():
                    if peer.is_validator and peer.public_key not in self._asked:
                        # All at once: one that keeps silent holds up nobody but itself.
                        self._asked.add(peer.public_key)
                        tasks.start_soon(self._ask, peer)
                await anyio.sleep(ASK_INTERVAL_S)
            tasks.cancel_scope.cancel()

    async def _ask(self, peer: Peer) -> None:
        try:
            answer = await peer.request(self._request)
            assert isinstance(answer, OwnLatest)
        except TangleError as error:
            log.info("own-latest-unanswered", peer=peer.name, code=error.code)
            self._asked.discard(peer.public_key)
            return
        try:
            check_voucher(self._request, answer, self._setting.committee, self._setting.chain)
        except TangleError as error:
            log.warning("own-latest-unproven", peer=peer.name, code=error.code)
            self._peering.blame(peer, error)
            return
        # This validator's own word, which a peer may have asked it for, is no news to it.
        if answer.voucher != self._own:
            known = answer.round > 0
            reference = BlockReference(answer.round, self._own, answer.digest) if known else None
            self._answers.setdefault(answer.voucher, reference)
            # It had accepted that block, or would not know it.
            self._vouched.on_word(answer.voucher, answer.round)


async def wait_for_entry(
    peering: Peering,
    driver: CommitteeDriver,
    catch_up: CatchUp,
    fetcher: Fetcher,
    randomness: Randomness,
) -> None:
    """Return when it is safe and useful to propose.

    Answers count by the weight of the validators that signed them; one that is a quorum by itself asks
    nobody.
    """
    survey = Survey(peering, driver, Digest(randomness.get_bytes(CHALLENGE_SIZE)))
    await survey.run()
    signed = survey.get_signed()
    await catch_up.wait_level()
    # Only a block with this validator's signature can arrive; what a peer made up never does. While this node
    # is behind it could not be accepted, so that time does not count.
    patience_s = SHOW_TIMEOUT_S
    while patience_s > 0 and not all(driver.core.is_known(reference) for reference in signed):
        fetcher.want_blocks(signed, None)
        await anyio.sleep(ASK_INTERVAL_S)
        if catch_up.is_level:
            patience_s -= ASK_INTERVAL_S
    log.info("entering-committee", own_round=max((reference.round for reference in signed), default=0))
