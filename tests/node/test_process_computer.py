"""The real computer: a device that cannot be used costs the speed, never the node."""

import os
from pathlib import Path

import pytest

from poi.presets import DIGITS
from tangle.node.process_computer import AUTO, _open


def test_a_device_left_to_the_node_gives_way_to_numpy_when_kernels_cannot_be_kept(
    tmp_path: Path,
) -> None:
    in_the_way = tmp_path / "cache"
    in_the_way.write_text("a file where the directory should be")
    assert _open(AUTO, in_the_way, (DIGITS,)).name == "numpy"


def test_a_device_that_was_named_is_not_replaced_in_silence(tmp_path: Path) -> None:
    in_the_way = tmp_path / "cache"
    in_the_way.write_text("a file where the directory should be")
    with pytest.raises(OSError, match=os.strerror(17)):
        _open("CPU", in_the_way, (DIGITS,))
