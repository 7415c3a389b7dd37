"""Stakes, candidates, elections and evidence: the reading routes about them."""

from tangle.api.schemas.validators import (
    CandidateDetailAnswer,
    ElectionAnswer,
    EvidenceAnswer,
    StakeNewsAnswer,
)
from tangle.client.reading import as_text
from tangle.client.transport import Transport
from tangle.core.types import PublicKey


class ValidatorMethods:
    """The routes about stakes and elections; a part of ``TangleClient``."""

    _transport: Transport

    async def get_validators(self) -> ElectionAnswer:
        """Members and candidates, and what an election now would give."""
        return (await self._transport.get(ElectionAnswer, "/v1/validators", {})).data

    async def get_validator(self, candidate: PublicKey | str, *, limit: int = 50) -> CandidateDetailAnswer:
        """One candidate, by its key or its owner, and what happened to it lately.

        :raises ApiProblem: ``not-found``, nobody stands with that.
        """
        path, query = f"/v1/validators/{as_text(candidate)}", {"limit": str(limit)}
        return (await self._transport.get(CandidateDetailAnswer, path, query)).data

    async def get_stake_news(self, limit: int = 50) -> tuple[StakeNewsAnswer, ...]:
        """Elections, pay and burned stakes, newest first."""
        query = {"limit": str(limit)}
        return (await self._transport.get(tuple[StakeNewsAnswer, ...], "/v1/validators/news", query)).data

    async def get_evidence(self, shard: int = 0) -> tuple[EvidenceAnswer, ...]:
        """Pairs of blocks that validators signed for one round, for ``verify_twin_proof``."""
        query = {"shard": str(shard)}
        return (await self._transport.get(tuple[EvidenceAnswer, ...], "/v1/evidence", query)).data
