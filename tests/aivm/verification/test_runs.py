"""Whole runs: commitments bind everything, and every named cheat is found by the check that is meant for
it.
"""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from aivm.errors import InvalidTensor
from aivm.oracle.graph.run import trace_program
from aivm.oracle.layered import compute_logits
from aivm.program.record import compute_tensor_id
from aivm.verification import chain, spot
from aivm.verification.chain import Private, Projecting, list_served, select_served, verify_run
from aivm.verification.challenges import ERROR_BITS_PUBLIC, compute_vector_count
from aivm.verification.errors import (
    InvalidProofOfProduct,
    InvalidRequest,
    MissingData,
    WrongCommitment,
    WrongTensor,
)
from aivm.verification.proving import make_judge, prove_run
from aivm.verification.spot import answer_spot_check, count_all_chunks, draw_chunks, verify_spot_check
from aivm.verification.trace import (
    ChunkOpening,
    Commitment,
    TensorOpening,
    Trace,
    compute_bound_id,
    compute_commitment_id,
    make_chunk_tree,
    make_leaf,
    verify_claim,
    verify_context,
    verify_opening,
)
from aivm.verification.traced import (
    TracedProgram,
    compute_chunk,
    count_chunks,
    find_needed,
    get_bytes,
    run_traced,
)
from aivm.verification.tree import MerkleTree
from tangle.core.types import Digest, PublicKey
from tests.aivm.verification import oracles
from tests.aivm.verification.builders import (
    BEACON,
    CONTEXT,
    Tensors,
    change,
    continue_wrongly,
    make_graph,
    make_layered,
    make_trace,
    make_wide_graph,
)


class Run(Struct, frozen=True, eq=False):
    program: TracedProgram
    tensors: Tensors
    trace: Trace

    @property
    def commitment(self) -> Commitment:
        return self.trace.commitment


def make_run(kind: str) -> Run:
    # The second layered model and the wide graph have products that are projected.
    makers: dict[str, Callable[[], tuple[TracedProgram, Tensors]]] = {
        "layered": make_layered,
        "large": lambda: make_layered((300, 300, 300, 10), 260),
        "graph": make_graph,
        "wide": make_wide_graph,
    }
    program, tensors = makers[kind]()
    return Run(program, tensors, make_trace(program, tensors))


RUNS = {kind: make_run(kind) for kind in ("layered", "large", "graph", "wide")}


@pytest.fixture(params=sorted(RUNS))
def run(request: pytest.FixtureRequest) -> Run:
    return RUNS[request.param]


def judge(commitment: Commitment) -> Projecting:
    vectors = compute_vector_count(ERROR_BITS_PUBLIC)
    return Projecting(compute_commitment_id(commitment), b"", vectors)


def check(run: Run, tensors: Tensors, trace: Trace | None = None) -> chain.ChainReport:
    """Check a run whose worker serves from ``tensors`` and committed to ``trace``."""
    trace = trace or make_trace(run.program, tensors)
    inputs = run.tensors[: len(run.program.inputs)]
    served = select_served(trace, tensors)
    return verify_run(run.program, trace.commitment, inputs, served, judge(trace.commitment))[1]


@pytest.mark.parametrize("kind", ["graph", "wide"])
def test_runs_are_those_of_the_oracles(kind: str) -> None:
    layered, graph = RUNS["layered"], RUNS[kind]
    program = layered.program
    logits = compute_logits(program.layers, program.weights, layered.tensors[0])  # type: ignore[attr-defined]  # layered
    assert np.array_equal(layered.tensors[-1], logits)
    traced = trace_program(graph.program.bound, graph.tensors[:1])  # type: ignore[attr-defined]  # a graph
    for expected, found in zip(traced, graph.tensors, strict=True):
        assert np.array_equal(expected, found)


def test_the_root_is_that_of_the_specification(run: Run) -> None:
    ids = []
    for number, tensor in enumerate(run.program.types):
        data = get_bytes(run.program, number, run.tensors[number])
        ids.append(oracles.tensor_id(tensor.dtype, tensor.shape, data))
        assert ids[-1] == compute_tensor_id(tensor, data)
    leaves = [
        make_leaf(number, Digest(ids[number])) for number in range(run.program.first, len(run.program.types))
    ]
    assert run.commitment.root == oracles.root(leaves)
    assert run.commitment.inputs == tuple(ids[number] for number in run.program.inputs)
    assert run.commitment.outputs == tuple(ids[number] for number in run.program.outputs)


def test_equal_bytes_for_something_else_are_another_commitment() -> None:
    run = RUNS["layered"]
    ids = {compute_commitment_id(run.commitment)}
    contexts = [
        replace(CONTEXT, task=Digest(b"\x09" * 32)),
        replace(CONTEXT, worker=PublicKey(b"\x09" * 32)),
        replace(CONTEXT, epoch=8),
    ]
    ids |= {compute_commitment_id(make_trace(run.program, run.tensors, each).commitment) for each in contexts}
    ids.add(compute_commitment_id(replace(run.commitment, leaves=run.commitment.leaves + 1)))
    ids.add(compute_commitment_id(replace(run.commitment, rows=run.commitment.rows + 1)))
    ids.add(compute_commitment_id(replace(run.commitment, program_id=Digest(bytes(32)))))
    assert len(ids) == 7


def test_tensors_with_equal_bytes_and_another_shape_or_type_have_another_id() -> None:
    data = bytes(64)
    found = {
        oracles.tensor_id(dtype, shape, data) for dtype, shape in ((1, (8, 8)), (2, (8, 8)), (1, (4, 16)))
    }
    assert len(found) == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"program_id": Digest(bytes(32))},
        {"rows": 3},
        {"leaves": 1},
        {"inputs": (Digest(bytes(32)),) * 2},
        {"outputs": (Digest(bytes(32)),) * 3},
        {"context": replace(CONTEXT, epoch=1)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_commitment_for_something_else_is_refused(changes: dict[str, object], run: Run) -> None:
    verify_context(run.program, run.commitment, CONTEXT)
    with pytest.raises(WrongCommitment):
        verify_context(run.program, replace(run.commitment, **changes), CONTEXT)


def test_every_chunk_can_be_computed_from_what_it_needs(run: Run) -> None:
    data = {number: get_bytes(run.program, number, tensor) for number, tensor in enumerate(run.tensors)}
    for number in range(run.program.first, len(run.program.types)):
        for chunk in range(count_chunks(run.program.types[number])):
            shown = {
                (operand, place): data[operand][4096 * place : 4096 * place + 4096]
                for operand, places in find_needed(run.program, number, chunk)
                for place in places
            }
            expected = data[number][4096 * chunk : 4096 * chunk + 4096]
            assert compute_chunk(run.program, number, chunk, shown) == expected


# -- the run as a whole (level 3) ----------------------------------------------------------------------------


def test_an_honest_run_passes(run: Run) -> None:
    report = check(run, run.tensors)
    assert report.judged == len(list_served(run.program))


def test_projecting_costs_less_than_the_work() -> None:
    report = check(RUNS["large"], RUNS["large"].tensors)
    assert report.judged == 2
    assert report.check_macs * 20 < report.work_macs


@given(st.sampled_from(sorted(RUNS)), st.data())
def test_a_wrong_tensor_anywhere_is_found(kind: str, data: st.DataObject) -> None:
    run = RUNS[kind]
    number = data.draw(st.integers(run.program.first, len(run.program.types) - 1))
    place = data.draw(st.integers(0, run.tensors[number].size - 1))
    lie = data.draw(st.sampled_from([change, continue_wrongly]))
    wrong = (
        lie(run.tensors, number, place)
        if lie is change
        else continue_wrongly(run.program, run.tensors, number, place)
    )
    with pytest.raises((WrongTensor, WrongCommitment)):
        check(run, wrong)


def test_wrong_output(run: Run) -> None:
    output = run.program.outputs[0]
    with pytest.raises((WrongTensor, WrongCommitment)):
        check(run, change(run.tensors, output))
    claimed = replace(run.commitment, outputs=(Digest(bytes(32)), *run.commitment.outputs[1:]))
    served = select_served(run.trace, run.tensors)
    inputs = run.tensors[: len(run.program.inputs)]
    with pytest.raises(WrongCommitment) as caught:
        verify_run(run.program, claimed, inputs, served, judge(claimed))
    assert caught.value.what == "the output"


def test_wrong_trace_under_a_right_output() -> None:
    run = RUNS["large"]
    wrong = change(run.tensors, run.program.first + 1)
    with pytest.raises(WrongCommitment) as caught:
        check(run, run.tensors, make_trace(run.program, wrong))
    assert caught.value.what == "the trace"


def test_lazy_zeros() -> None:
    run = RUNS["large"]
    zeros = tuple(
        tensor if number < run.program.first else np.zeros_like(tensor)
        for number, tensor in enumerate(run.tensors)
    )
    with pytest.raises(WrongTensor) as caught:
        check(run, zeros)
    assert caught.value.number == run.program.first


def test_a_copied_result_is_for_another_worker() -> None:
    run = RUNS["layered"]
    thief = replace(CONTEXT, worker=PublicKey(b"\x66" * 32))
    with pytest.raises(WrongCommitment):
        verify_context(run.program, run.commitment, thief)


def test_missing_data() -> None:
    run = RUNS["large"]
    inputs = run.tensors[: len(run.program.inputs)]
    with pytest.raises(MissingData) as caught:
        verify_run(run.program, run.commitment, inputs, {}, judge(run.commitment))
    assert (caught.value.number, caught.value.chunk) == (run.program.first, None)


def test_a_served_tensor_of_another_shape_or_type_is_refused() -> None:
    run = RUNS["large"]
    served = select_served(run.trace, run.tensors)
    number = run.program.first
    for wrong in (served[number].astype(np.int64), served[number].T[:10]):
        with pytest.raises(WrongTensor):
            verify_run(
                run.program, run.commitment, run.tensors[:1], {**served, number: wrong}, judge(run.commitment)
            )


def test_another_input_is_refused(run: Run) -> None:
    inputs = tuple(1 - np.minimum(each, 1) for each in run.tensors[: len(run.program.inputs)])
    served = select_served(run.trace, run.tensors)
    with pytest.raises((WrongTensor, WrongCommitment)):
        verify_run(run.program, run.commitment, inputs, served, judge(run.commitment))
    with pytest.raises(InvalidTensor):
        verify_run(
            run.program, run.commitment, tuple(each[1:] for each in inputs), served, judge(run.commitment)
        )


def test_private_vectors_are_kept_between_runs() -> None:
    program, tensors = make_wide_graph()
    private = Private(b"\x07" * 32)
    costs = []
    for divisor in (1, 2):
        inputs = (tensors[0] // divisor,)
        run = run_traced(program, inputs)
        trace = make_trace(program, run)
        served = select_served(trace, run)
        costs.append(verify_run(program, trace.commitment, inputs, served, private)[1].check_macs)
        wrong = change(run, program.first, 4321)
        lie = make_trace(program, wrong)
        with pytest.raises(WrongTensor):
            verify_run(program, lie.commitment, inputs, select_served(lie, wrong), private)
    assert costs[0] - costs[1] == 128 * 64


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        Private(b"\x07" * 31)


def test_a_claim_is_admitted_with_its_inputs_and_outputs_only(run: Run) -> None:
    openings, inputs = run.trace.open_outputs(), run.commitment.inputs
    verify_claim(run.program, run.commitment, CONTEXT, inputs, openings)
    for wrong_inputs, wrong_openings in (
        ((Digest(bytes(32)), *inputs[1:]), openings),
        (inputs, openings[1:]),
        (inputs, (run.trace.open(run.program.first, ()), *openings)),
    ):
        with pytest.raises(WrongCommitment):
            verify_claim(run.program, run.commitment, CONTEXT, wrong_inputs, wrong_openings)


# -- the run as a whole, proven (level 6) --------------------------------------------------------------------


def test_a_proven_run_passes_and_a_wrong_one_does_not() -> None:
    run = RUNS["large"]
    proofs = prove_run(run.trace, run.tensors)
    assert len(proofs) == 2
    served = select_served(run.trace, run.tensors)
    commitment_id = compute_commitment_id(run.commitment)
    report = verify_run(
        run.program, run.commitment, run.tensors[:1], served, make_judge(commitment_id, proofs)
    )[1]
    assert report.judged == 2
    with pytest.raises(MissingData):
        verify_run(
            run.program, run.commitment, run.tensors[:1], served, make_judge(commitment_id, proofs[:1])
        )
    wrong = change(run.tensors, run.program.first, 77)
    lie = make_trace(run.program, wrong)
    lied = make_judge(compute_commitment_id(lie.commitment), prove_run(lie, wrong))
    with pytest.raises(InvalidProofOfProduct):
        verify_run(run.program, lie.commitment, run.tensors[:1], select_served(lie, wrong), lied)


# -- spot checks (level 2) -----------------------------------------------------------------------------------


def spot_check(run: Run, trace: Trace, count: int, beacon: bytes = BEACON) -> None:
    drawn = draw_chunks(run.program, trace.commitment, beacon, count)
    verify_spot_check(run.program, trace.commitment, drawn, answer_spot_check(trace, drawn))


def test_spot_checks_of_an_honest_run_pass(run: Run) -> None:
    spot_check(run, run.trace, min(12, count_all_chunks(run.program)))
    spot_check(run, run.trace, count_all_chunks(run.program))


def test_spot_checks_of_everything_find_any_wrong_chunk(run: Run) -> None:
    for number in range(run.program.first, len(run.program.types)):
        lie = make_trace(run.program, change(run.tensors, number, run.tensors[number].size - 1))
        with pytest.raises(WrongTensor):
            spot_check(run, lie, count_all_chunks(run.program))


def test_a_consistent_lie_is_wrong_in_the_one_chunk_where_it_begins() -> None:
    run = RUNS["large"]
    lie = make_trace(run.program, continue_wrongly(run.program, run.tensors, run.program.first, 5000))
    with pytest.raises(WrongTensor) as caught:
        spot_check(run, lie, count_all_chunks(run.program))
    assert caught.value.number == run.program.first


def test_lazy_zeros_are_found_by_one_chunk() -> None:
    run = RUNS["large"]
    zeros = tuple(
        tensor if number < run.program.first else np.zeros_like(tensor)
        for number, tensor in enumerate(run.tensors)
    )
    lie = make_trace(run.program, zeros)
    found = 0
    for number in range(20):
        try:
            spot_check(run, lie, 1, bytes([number]))
        except WrongTensor:
            found += 1
    assert found >= 5  # the sums over the input are wrong, all that follows is right for an input of zeros


def test_the_rate_of_detection_is_that_of_the_formula() -> None:
    run = RUNS["large"]
    total, trials, count = count_all_chunks(run.program), 300, 10
    caught = 0
    wrong = {(run.program.first, chunk) for chunk in range(total // 20)}
    for number in range(trials):
        drawn = draw_chunks(run.program, run.commitment, number.to_bytes(4, "big"), count)
        caught += not wrong.isdisjoint(drawn)
    expected = 1 - (1 - len(wrong) / total) ** count
    assert abs(caught / trials - expected) < 0.1


def test_what_is_drawn_depends_on_commitment_and_beacon() -> None:
    run = RUNS["large"]
    other = replace(run.commitment, context=replace(CONTEXT, epoch=8))
    drawn = draw_chunks(run.program, run.commitment, BEACON, 5)
    assert draw_chunks(run.program, run.commitment, BEACON, 5) == drawn
    assert draw_chunks(run.program, run.commitment, b"other", 5) != drawn
    assert draw_chunks(run.program, other, BEACON, 5) != drawn


def test_more_chunks_than_there_are_cannot_be_drawn(run: Run) -> None:
    for count in (0, count_all_chunks(run.program) + 1, spot.DRAWN_MAX + 1):
        with pytest.raises(InvalidRequest):
            draw_chunks(run.program, run.commitment, BEACON, count)


def test_a_chunk_that_is_not_shown_is_missing_data(run: Run) -> None:
    drawn = draw_chunks(run.program, run.commitment, BEACON, 3)
    openings = answer_spot_check(run.trace, drawn)
    for place in range(len(openings)):
        with pytest.raises(MissingData):
            verify_spot_check(run.program, run.commitment, drawn, openings[:place] + openings[place + 1 :])


@pytest.mark.parametrize("extra", [-1, 1])
def test_a_chunk_of_another_length_is_refused_even_if_it_was_committed_to(extra: int) -> None:
    run = RUNS["layered"]
    number = run.program.first
    data = get_bytes(run.program, number, run.tensors[number])
    last = count_chunks(run.program.types[number]) - 1
    tree = make_chunk_tree(data[:extra] if extra < 0 else data + bytes(extra))
    shown = ChunkOpening(last, (data + bytes(1))[4096 * last : len(data) + extra], tree.get_proof(last).path)
    ids = [
        compute_bound_id(run.program.types[each], tree.root if each == number else run.trace.trees[each].root)
        for each in range(number, len(run.program.types))
    ]
    trace = MerkleTree([make_leaf(number + at, each) for at, each in enumerate(ids)])
    commitment = replace(run.commitment, root=trace.root)
    opening = TensorOpening(number, tree.root, trace.get_proof(0).path, (shown,))
    verify_opening(run.program, commitment, replace(opening, chunks=()))
    with pytest.raises(WrongCommitment):
        verify_opening(run.program, commitment, opening)


@given(st.sampled_from(sorted(RUNS)), st.data())
def test_an_opening_that_is_changed_anywhere_is_refused(kind: str, data: st.DataObject) -> None:
    run = RUNS[kind]
    number = data.draw(
        st.integers(0, len(run.program.types) - 1).filter(lambda each: not run.program.is_constant(each))
    )
    chunk = data.draw(st.integers(0, count_chunks(run.program.types[number]) - 1))
    opening = run.trace.open(number, (chunk,))
    verify_opening(run.program, run.commitment, opening)
    shown = opening.chunks[0]
    others = [
        replace(opening, number=number + 1),
        replace(opening, number=10**6),
        replace(opening, chunk_root=Digest(bytes(32))),
        replace(opening, path=(*opening.path, Digest(bytes(32)))),
        replace(opening, chunks=(replace(shown, data=shown.data[:-1]),)),
        replace(opening, chunks=(replace(shown, data=bytes([shown.data[0] ^ 1]) + shown.data[1:]),)),
        replace(opening, chunks=(replace(shown, chunk=chunk + 1),)),
        replace(opening, chunks=(replace(shown, chunk=10**6),)),
        replace(opening, chunks=(replace(shown, path=(*shown.path, Digest(bytes(32)))),)),
    ]
    with pytest.raises(WrongCommitment):
        verify_opening(run.program, run.commitment, data.draw(st.sampled_from(others)))
