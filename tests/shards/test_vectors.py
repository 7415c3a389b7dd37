"""The published vectors: the golden DAG, and the bytes of every record."""

from shards.blocks import BlockReference, compute_genesis_references, decode_block
from shards.certificates import decode_certificate, verify_certificate
from shards.checkpoints import decode_checkpoint
from shards.commit_rule import FIRST_SLOT, Commit, Skip, Slot, Status, Undecided
from shards.commits import decode_commit
from shards.dag import Dag
from shards.guard import decode_last_signed
from tangle.core.encoding import encode
from tests.drawing.blocks import CHAIN, SHARD, make_bare_committee, make_body, make_unsigned
from tests.drawing.blocks import make_committee as make_signing_committee
from tests.drawing.committee import make_committer
from tests.shards.samples import CHAIN as VECTOR_CHAIN
from tests.shards.samples import make_encodings, read_vectors

GOLDEN = read_vectors("golden.json")
RANKS: dict[int, list[str]] = {int(key): value for key, value in GOLDEN["authors_by_rank_letter"].items()}


def get_golden_leaders(round_number: int) -> tuple[int, ...]:
    return tuple(RANKS[round_number].index(letter) for letter in "abcd")


def draw_golden() -> Dag:
    committee = make_bare_committee(4)
    genesis = compute_genesis_references(committee, CHAIN, SHARD)
    dag = Dag(committee)
    references: dict[str, BlockReference] = {}
    newest = list(genesis)
    for name in sorted(GOLDEN["parents"], key=lambda name: int(name[0])):
        author = RANKS[int(name[0])].index(name[1])
        parents = [references[parent] for parent in GOLDEN["parents"][name]] or list(genesis)
        others = [parent for parent in parents if parent.author != author]
        block = make_unsigned(make_body(committee, author, [newest[author], *others]))
        dag.add(block)
        references[name] = newest[author] = block.reference
    return dag


def name_slot(slot: Slot) -> str:
    return f"{slot.round}{'abcd'[slot.rank]}"


def name_status(status: Status) -> str:
    match status:
        case Commit():
            return "commit"
        case Skip():
            return "skip"
        case Undecided():
            return "undecided"


def test_golden_statuses() -> None:
    committer = make_committer(draw_golden(), get_golden_leaders)
    statuses = committer.compute_statuses(FIRST_SLOT)
    assert {name_slot(status.slot): name_status(status) for status in statuses} == GOLDEN["statuses"]


def test_golden_direct_decisions_and_anchors() -> None:
    committer = make_committer(draw_golden(), get_golden_leaders)
    statuses = committer.compute_statuses(FIRST_SLOT)
    direct = {name_slot(status.slot): committer.decide_directly(status.slot) for status in statuses}
    decided = {name: name_status(status) for name, status in direct.items()}
    assert {name: text for name, text in decided.items() if text != "undecided"} == GOLDEN["direct"]
    for name, text in GOLDEN["statuses"].items():
        if text == "undecided" or name in GOLDEN["direct"]:
            continue
        slot = next(status.slot for status in statuses if name_slot(status.slot) == name)
        anchor = committer.find_anchor(slot, [status for status in statuses if status.slot > slot])
        assert anchor is not None
        rank = get_golden_leaders(anchor.reference.round).index(anchor.reference.author)
        assert f"{anchor.reference.round}{'abcd'[rank]}" == GOLDEN["anchor_of_indirect"]


def test_golden_sequence() -> None:
    committer = make_committer(draw_golden(), get_golden_leaders)
    sequence = [name_slot(s.slot) for s in committer.decide(FIRST_SLOT) if isinstance(s, Commit)]
    assert sequence == GOLDEN["sequence"]


def test_encodings_are_the_published_bytes() -> None:
    assert make_encodings() == read_vectors("encodings.json")


def test_published_bytes_decode_and_encode_again() -> None:
    vectors = read_vectors("encodings.json")
    block = decode_block(bytes.fromhex(vectors["block"]))
    assert block.reference.digest.hex() == vectors["block_digest"]
    for name, decode in (
        ("commit", decode_commit),
        ("checkpoint", decode_checkpoint),
        ("certificate", decode_certificate),
        ("last_signed", decode_last_signed),
    ):
        data = bytes.fromhex(vectors[name])
        assert encode(decode(data)) == data
    certificate = decode_certificate(bytes.fromhex(vectors["certificate"]))
    verify_certificate(certificate, make_signing_committee(4), VECTOR_CHAIN, SHARD)
