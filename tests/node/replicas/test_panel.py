"""Who is asked, when seals are enough, when results are: the bookkeeping alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poi.countersigning import Sealed
from poi.replication import Agreed
from tangle.core.types import Digest, PublicKey
from tangle.node.replicas.errors import ReplicasDisagree, ReplicasSilent, ReplicasWithheld
from tangle.node.replicas.panel import ASKED_MAX, GRACE_S, HEDGE_S, NEEDED, SIZE, Panel

RIGHT, WRONG, OTHER = (Digest(bytes([number]) * 32) for number in (1, 2, 3))


def make_sealed(member: int) -> Sealed:
    return Sealed(PublicKey(bytes([member]) * 32), Digest(bytes([member]) * 32))


def make_panel(count: int = 5) -> Panel[int]:
    panel: Panel[int] = Panel(range(1, count + 1), 0.0)
    assert panel.take_asks(0.0) == list(range(1, min(count, SIZE) + 1))
    return panel


def test_three_are_asked_and_three_seals_close_the_list() -> None:
    panel = make_panel()
    for member in (3, 1):
        panel.on_sealed(member, make_sealed(member), 0.01)
        assert panel.close(0.01) is None
    panel.on_sealed(2, make_sealed(2), 0.02)
    closed = panel.close(0.02)
    assert closed is not None
    assert list(closed) == [1, 2, 3]  # in order of workers, whoever was first
    assert panel.take_asks(9.0) == []


def test_two_agree_and_the_third_is_not_waited_for() -> None:
    panel = make_panel()
    for member in (1, 2, 3):
        panel.on_sealed(member, make_sealed(member), 0.0)
    panel.close(0.0)
    panel.on_shown(2, RIGHT)
    assert not isinstance(panel.judge(), Agreed)
    panel.on_shown(3, RIGHT)
    verdict = panel.judge()
    assert isinstance(verdict, Agreed)
    assert verdict.result == RIGHT
    assert len(verdict.agreeing) == NEEDED


def test_a_slow_third_gets_a_moment() -> None:
    panel = make_panel()
    panel.on_sealed(1, make_sealed(1), 0.5)
    panel.on_sealed(2, make_sealed(2), 0.6)
    assert panel.next_s == 0.6 + GRACE_S
    assert panel.close(0.6 + GRACE_S / 2) is None
    closed = panel.close(0.6 + GRACE_S)
    assert closed is not None
    assert list(closed) == [1, 2]
    panel.on_sealed(3, make_sealed(3), 0.9)  # too late: the list is closed
    assert panel.close(1.0) == closed


def test_for_one_that_refuses_another_is_asked() -> None:
    panel = make_panel()
    panel.on_failure(1, "overloaded")
    panel.on_failure(2, "program-absent")
    assert panel.take_asks(0.1) == [4, 5]
    assert panel.take_asks(0.1) == []


def test_for_one_that_is_slow_another_is_asked() -> None:
    panel = make_panel()
    first_s = panel.next_s
    assert first_s == HEDGE_S
    assert panel.take_asks(HEDGE_S / 2) == []
    assert panel.take_asks(HEDGE_S) == [4, 5]
    assert panel.next_s is None  # there is nobody else: only an answer changes something
    other = make_panel(7)
    assert other.take_asks(HEDGE_S) == [4, 5, 6]
    assert other.next_s == 2 * HEDGE_S  # not the moment that has passed


def test_never_more_than_so_many_are_asked() -> None:
    panel = make_panel(100)
    asked = SIZE
    for member in range(1, 100):
        panel.on_failure(member, "overloaded")
        asked += len(panel.take_asks(0.0))
    assert asked == ASKED_MAX


def test_two_that_are_all_there_are_need_not_wait() -> None:
    panel = make_panel(2)
    panel.on_sealed(1, make_sealed(1), 0.0)
    assert panel.close(0.0) is None
    panel.on_sealed(2, make_sealed(2), 0.0)
    assert panel.close(0.0) is not None


@pytest.mark.parametrize("count", [0, 1])
def test_one_alone_is_not_enough(count: int) -> None:
    panel = make_panel(count)
    for member in range(1, count + 1):
        panel.on_sealed(member, make_sealed(member), 0.0)
    with pytest.raises(ReplicasSilent):
        panel.close(0.0)


def test_when_all_refuse_the_reasons_are_told() -> None:
    panel = make_panel(3)
    for member, code in ((1, "overloaded"), (2, "program-absent"), (3, "overloaded")):
        panel.on_failure(member, code)
    with pytest.raises(ReplicasSilent) as caught:
        panel.close(0.0)
    assert caught.value.reasons == ("overloaded", "program-absent")


def test_a_key_counts_once() -> None:
    panel = make_panel(3)
    panel.on_sealed(1, make_sealed(1), 0.0)
    panel.on_sealed(2, make_sealed(1), 0.0)  # says to be the first one
    panel.on_failure(3, "overloaded")
    with pytest.raises(ReplicasSilent):
        panel.close(0.0)


def close_three() -> Panel[int]:
    panel = make_panel(3)
    for member in (1, 2, 3):
        panel.on_sealed(member, make_sealed(member), 0.0)
    assert panel.close(0.0) is not None
    return panel


def test_one_wrong_result_is_outvoted() -> None:
    panel = close_three()
    panel.on_shown(1, WRONG)
    panel.on_shown(2, RIGHT)
    assert not isinstance(panel.judge(), Agreed)
    panel.on_shown(3, RIGHT)
    verdict = panel.judge()
    assert isinstance(verdict, Agreed)
    assert verdict.dissenting == (make_sealed(1).worker,)


def test_three_different_results_are_none() -> None:
    panel = close_three()
    for member, result in ((1, RIGHT), (2, WRONG), (3, OTHER)):
        panel.on_shown(member, result)
    with pytest.raises(ReplicasDisagree):
        panel.judge()


def test_who_does_not_show_is_no_dissent() -> None:
    panel = close_three()
    panel.on_shown(1, RIGHT)
    panel.on_failure(2, "replica-seals")
    assert panel.judge() is None
    panel.on_failure(3, "seal-wrong")
    with pytest.raises(ReplicasWithheld):
        panel.judge()
    other = close_three()
    other.on_shown(1, RIGHT)
    other.on_shown(2, WRONG)
    other.on_failure(3, "request-timeout")
    with pytest.raises(ReplicasDisagree):
        other.judge()


@given(st.lists(st.sampled_from(["right", "wrong", "silent", "refuse"]), min_size=3, max_size=8), st.data())
def test_a_result_is_taken_only_if_two_gave_it(behaviour: list[str], data: st.DataObject) -> None:
    panel: Panel[int] = Panel(range(len(behaviour)), 0.0)
    now_s = 0.0
    closed = None
    try:
        while closed is None:
            asks = panel.take_asks(now_s)
            for member in data.draw(st.permutations(asks)):
                if behaviour[member] == "refuse":
                    panel.on_failure(member, "overloaded")
                else:
                    panel.on_sealed(member, make_sealed(member), now_s)
            now_s += GRACE_S
            closed = panel.close(now_s)
        for member in data.draw(st.permutations(list(closed))):
            if behaviour[member] == "silent":
                panel.on_failure(member, "request-timeout")
            else:
                panel.on_shown(member, RIGHT if behaviour[member] == "right" else WRONG)
        verdict = panel.judge()
    except (ReplicasSilent, ReplicasWithheld, ReplicasDisagree):
        return
    assert verdict is not None
    giving = "right" if verdict.result == RIGHT else "wrong"
    assert [behaviour[member] for member in closed].count(giving) >= NEEDED
