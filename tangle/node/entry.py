"""Entering the committee after a start: first know what one signed before, then be level with the others.

A validator whose disk was lost or restored might sign a second block for a slot that it has signed before.
Its last-signed guard prevents that as long as the guard itself is right; so it also asks its peers for its
own latest block, waits for answers from validators of more than the faulty weight, and takes part only when
it has accepted that block itself. Source: anchors 2.9.
"""

from typing import Final

import anyio
import structlog

from shards.blocks import BlockReference
from shards.committee import Committee
from tangle.core.errors import TangleError
from tangle.core.types import PublicKey, Shard
from tangle.net.messages import GetOwnLatest, OwnLatest
from tangle.node.catch_up import CatchUp
from tangle.node.committee_driver import CommitteeDriver
from tangle.node.fetcher import Fetcher
from tangle.node.peering import Peering

ASK_INTERVAL_S: Final = 0.25
"""Pause between two looks at who has answered."""

SHOW_TIMEOUT_S: Final = 10.0
"""How long peers have to show the block that they say this validator signed."""

log = structlog.get_logger("entry")


async def wait_for_entry(
    peering: Peering,
    committee: Committee,
    own_key: PublicKey,
    shard: Shard,
    driver: CommitteeDriver,
    catch_up: CatchUp,
    fetcher: Fetcher,
) -> None:
    """Return when it is safe and useful to propose.

    Answers count by the number of peers that say they are validators, against the committee's tolerance; a
    lone validator asks nobody.
    """
    needed = 0 if len(committee) == 1 else max(1, (len(committee) - 1) // 3 + 1)
    answers: dict[PublicKey, BlockReference | None] = {}
    author = committee.index_of(own_key)
    assert author is not None, "only members of the committee enter it"
    while len(answers) < needed:
        for peer in peering.get_peers():
            is_validator = peer.hello is not None and peer.hello.is_validator
            if peer.public_key in answers or not is_validator:
                continue
            try:
                answer = await peer.request(GetOwnLatest(0, shard, own_key))
            except TangleError as error:
                log.info("own-latest-unanswered", peer=peer.name, code=error.code)
                continue
            assert isinstance(answer, OwnLatest)
            is_known = answer.round > 0
            answers[peer.public_key] = (
                BlockReference(answer.round, author, answer.digest) if is_known else None
            )
        await anyio.sleep(ASK_INTERVAL_S)
    signed = [reference for reference in answers.values() if reference is not None]
    await catch_up.wait_level()
    # Only a block with this validator's signature can arrive; what a peer made up never does.
    with anyio.move_on_after(SHOW_TIMEOUT_S):
        while not all(driver.core.is_known(reference) for reference in signed):
            fetcher.want_blocks(signed, None)
            await anyio.sleep(ASK_INTERVAL_S)
    log.info("entering-committee", own_round=max((reference.round for reference in signed), default=0))
