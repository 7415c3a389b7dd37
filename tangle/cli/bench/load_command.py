"""From the options of ``tangle bench load`` to its report: wallets, money, transactions, the run."""

from collections.abc import Callable

from msgspec import Struct

from tangle.cli.bench.load import LoadReport, LoadRun
from tangle.cli.bench.load_source import (
    TransactionSource,
    derive_wallets,
    fund_from_faucet,
    fund_from_wallet,
)
from tangle.cli.bench.schedule import make_schedule
from tangle.client.client import TangleClient
from tangle.core.signing import SigningKey
from tangle.core.types import Grains


class LoadOptions(Struct, frozen=True):
    """What the load is."""

    urls: tuple[str, ...]
    """Nodes; the first is asked about everything else."""

    rate: float
    """Transactions a second."""

    duration_s: float
    """How long transactions are due."""

    wallets: int
    """Accounts that send."""

    seed: str
    """What their keys come from."""

    amount: int
    """Grains that the paying wallet gives to each that has nothing."""

    is_signed_before: bool
    """Whether everything is signed before the first is due."""

    tick_s: float
    """Time whose transactions go out together."""

    grace_s: float
    """How long answers are waited for in the end."""


async def put_load(options: LoadOptions, payer: SigningKey | None, tell: Callable[[str], None]) -> LoadReport:
    """Fund, prepare, send, report.

    :param payer: pays for the accounts; the faucet for none.
    :raises TangleError: the network is not one that can be loaded, or a node does not answer at the start.
    """
    schedule = make_schedule(options.rate, options.duration_s, options.tick_s)
    wallets = derive_wallets(options.seed, min(options.wallets, schedule.count))
    async with TangleClient(options.urls[0]) as client:
        tell(f"funding {len(wallets)} accounts")
        if payer is None:
            await fund_from_faucet(client, wallets)
        else:
            await fund_from_wallet(client, payer, wallets, Grains(options.amount))
        source = TransactionSource(client, wallets)
        await source.open()
        if options.is_signed_before:
            tell(f"signing {schedule.count:,} transactions")
        run = LoadRun(options.urls, source, schedule, options.grace_s)
        return await run.run(client, is_signed_before=options.is_signed_before)
