"""The way back: the graph that a simulation left (``dag.ndjson``) becomes a drawing.

What was found in a run of thousands of seeds can so be looked at, cut down and kept as a test of a few lines.
Only the shape is drawn: who builds on what, and who names what. What the graph does not hold any more is left
out of a block's parents; a transaction stands on ``genesis`` instead.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from tests.drawing.committee import name_of
from tests.drawing.language import Attribute, Item, Parent, Rounds, Statement, Vertex, Word
from tests.drawing.subdag import GENESIS


def draw_back(lines: Iterable[bytes], shard: int = 0) -> tuple[Statement, ...]:
    """Statements that draw the graph of one shard: transactions ``t0``, ``t1``, ..., parents first, then
    rounds. Shards have nothing in common, and their blocks have the same authors and rounds.

    :param lines: of ``dag.ndjson``, in any order.
    """
    records = [record for record in map(msgspec.json.decode, lines) if record["shard"] == shard]
    transactions = {each["id"]: each for each in records if each["kind"] == "transaction"}
    names = {identity: f"t{place}" for place, identity in enumerate(_sort_by_parents(transactions))}
    vertices = [_draw_vertex(transactions[identity], names) for identity in names]
    blocks = sorted(
        (each for each in records if each["kind"] == "block"),
        key=lambda each: (each["round"], each["author"], each["id"]),
    )
    return (*vertices, *_draw_rounds(blocks, names))


def _sort_by_parents(transactions: dict[str, Any]) -> Iterator[str]:
    done: set[str] = set()
    pending = sorted(transactions, reverse=True)
    while pending:
        identity = pending[-1]
        parents = transactions[identity]["parents"]
        missing = [each for each in parents if each in transactions and each not in done]
        if missing:
            pending += missing
            continue
        pending.pop()
        if identity not in done:
            done.add(identity)
            yield identity


def _draw_vertex(transaction: dict[str, Any], names: dict[str, str]) -> Vertex:
    parents = dict.fromkeys(Word(names.get(each, GENESIS)) for each in transaction["parents"])
    said = {
        "issuer": f"account_{transaction['issuer'][:8]}",
        "sequence": str(transaction["sequence"]),
        "anchor": str(transaction["anchor"]),
    }
    attributes = tuple(Attribute(Word(key), (Word(value),)) for key, value in said.items() if value != "0")
    return Vertex(Word(names[transaction["id"]]), tuple(parents), attributes)


def _draw_rounds(blocks: list[dict[str, Any]], tips: dict[str, str]) -> Iterator[Rounds]:
    labels: dict[str, tuple[int, str, str]] = {}
    rounds: dict[int, list[Item]] = {}
    twins: dict[tuple[int, int], int] = {}
    for block in blocks:
        slot = (block["round"], block["author"])
        primes = "'" * twins.get(slot, 0)
        twins[slot] = len(primes) + 1
        letter = name_of(block["author"])
        labels[block["id"]] = (block["round"], letter, primes)
        parents = [
            Parent(Word(_name_parent(labels[each], block["round"])))
            for each in block["parents"]
            if each in labels
        ]
        named = tuple(Word(tips[each]) for each in block["tips"] if each in tips)
        attributes = (Attribute(Word("tips"), named),) if named else ()
        item = Item(Word(letter + primes), tuple(parents) if block["round"] > 1 else None, attributes)
        rounds.setdefault(block["round"], []).append(item)
    return (Rounds(Word(str(number)), number, tuple(items)) for number, items in sorted(rounds.items()))


def _name_parent(label: tuple[int, str, str], round_number: int) -> str:
    number, letter, primes = label
    return letter + (str(number) if number != round_number - 1 else "") + primes
