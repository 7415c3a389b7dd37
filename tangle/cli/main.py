"""The ``tangle`` command: names of all commands, and where each is."""

from typing import Final

import click

from tangle.cli.groups import RootGroup

MODULES: Final = {
    "init": "tangle.cli.node_commands:init",
    "up": "tangle.cli.node_commands:up",
    "devnet": "tangle.cli.devnet_commands:devnet",
    "status": "tangle.cli.status_command:status",
    "node": "tangle.cli.operator_commands:node",
    "peers": "tangle.cli.peer_commands:peers",
    "doctor": "tangle.cli.doctor_command:doctor",
    "tui": "tangle.cli.tui_command:tui",
    "wallet": "tangle.cli.wallet_commands:wallet",
    "stake": "tangle.cli.stake_commands:stake",
    "validator": "tangle.cli.validator_commands:validator",
    "faucet": "tangle.cli.transfer_commands:faucet",
    "tx": "tangle.cli.transaction_commands:tx",
    "fees": "tangle.cli.fees_command:fees",
    "dag": "tangle.cli.dag_commands:dag",
    "committee": "tangle.cli.dag_commands:committee",
    "epochs": "tangle.cli.epochs_commands:epochs",
    "evidence": "tangle.cli.evidence_commands:evidence",
    "verify": "tangle.cli.verify_command:verify",
    "model": "tangle.cli.model_commands:model",
    "infer": "tangle.cli.infer_command:infer",
    "job": "tangle.cli.job_commands:job",
    "explain": "tangle.cli.explain_command:explain",
    "blob": "tangle.cli.blob_commands:blob",
    "key": "tangle.cli.key_commands:key",
    "db": "tangle.cli.db_commands:db",
    "snapshot": "tangle.cli.snapshot_commands:snapshot",
    "genesis": "tangle.cli.genesis_commands:genesis",
    "config": "tangle.cli.config_commands:config",
    "sim": "tangle.cli.sim_command:sim",
    "bench": "tangle.cli.bench_commands:bench",
    "completion": "tangle.cli.plain_commands:completion",
    "version": "tangle.cli.plain_commands:version",
}
"""``module:attribute`` of each command, in the order in which a newcomer meets them."""


@click.group(
    "tangle",
    cls=RootGroup,
    modules=MODULES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="The options above may also follow a command's name. Exit status: 0 done, 1 refused, 2 wrong "
    "usage or settings, 3 no node answers, 4 out of time, 70 a fault in tangle, 130 interrupted.",
)
def main() -> None:
    """A node for a DAG ledger that learns."""
