"""The order of a cone, against published drawings and against the rule written down recursively."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tangle.core.parameters import MINIMAL
from tangle.core.transactions import Transaction
from tangle.core.types import CheckpointIndex, TransactionId
from tangle.ledger.subdag import SubDag
from tests.drawing.subdag import GENESIS_ID, SubDagDrawing, compute_cone, make_transaction, order

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "ledger" / "cones.json").read_text())


@pytest.mark.parametrize("vector", VECTORS["cones"], ids=lambda vector: vector["name"])
def test_published_orders(vector: dict[str, Any]) -> None:
    drawing = SubDagDrawing("\n".join(vector["drawing"]))
    subdag = SubDag(MINIMAL, GENESIS_ID)
    subdag.on_checkpoint(CheckpointIndex(16))
    drawing.attach(subdag)
    assert [order(subdag, drawing, tip) for tip in vector["tips"]] == vector["orders"]
    assert all(subdag.order_cone(drawing[tip].id) == [] for tip in vector["tips"])


@given(st.data())
def test_random_dags_follow_the_rule(data: st.DataObject) -> None:
    transactions: dict[TransactionId, Transaction] = {}
    ids = [GENESIS_ID]
    for number in range(data.draw(st.integers(1, 20))):
        parents = data.draw(st.lists(st.sampled_from(ids[-8:]), min_size=1, max_size=4, unique=True))
        transaction = make_transaction(parents, name=str(number))
        transactions[transaction.id] = transaction
        ids.append(transaction.id)
    subdag = SubDag(MINIMAL, GENESIS_ID)
    arrival = data.draw(st.permutations(list(transactions.values())))
    for transaction in arrival:
        subdag.process_transaction(transaction)
    unordered = dict(transactions)
    for tip in data.draw(st.lists(st.sampled_from(ids[1:]), max_size=6)):
        expected = compute_cone(unordered, tip)
        assert [transaction.id for transaction in subdag.order_cone(tip)] == expected
        for transaction_id in expected:
            del unordered[transaction_id]
    assert subdag.get_statistics().unordered == len(unordered)


def test_a_chain_longer_than_any_stack_is_ordered() -> None:
    subdag = SubDag(MINIMAL, GENESIS_ID)
    parent = GENESIS_ID
    chain = []
    for number in range(5_000):
        transaction = make_transaction([parent], name=str(number))
        subdag.process_transaction(transaction)
        parent = transaction.id
        chain.append(parent)
    assert [transaction.id for transaction in subdag.order_cone(parent)] == chain
