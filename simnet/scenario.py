"""Scenario files: one named play, written down by a person in TOML.

What a file does not say has a plain value: one region, right clocks, no faults. Every refusal names the table
and what to change.
"""

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, get_args

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import fields

from simnet.adversaries import Adversary
from simnet.errors import InvalidScenario
from simnet.faults import Fault
from simnet.network import REGIONS
from simnet.options import EPOCH_DEFAULT_MS, ClockError, SimulationOptions, check_options

SCENARIO_SIZE_MAX: Final = 65_536
"""Longest scenario file in bytes; one of a hundred faults has 10 KiB."""

PLAYS: Final = {kind.__struct_config__.tag: kind for kind in get_args(Fault)}
"""Each kind of fault by its name in a file."""


class Scenario(Struct, frozen=True, forbid_unknown_fields=True):
    """A scenario file; names that options have too mean the same there."""

    about: str
    """What the play shows, for its reader."""

    nodes: Annotated[int, Meta(ge=1, le=100)]
    """Validators."""

    time_s: float
    """Virtual seconds until faults and load end."""

    seed: Annotated[int, Meta(ge=0)] = 1
    """Decides what the file leaves open; the command line may name another."""

    shards: int = 1
    """Shards of the chain: 1, 2, 4 or 8. Every node's machine runs one process for each."""

    epoch_ms: int = EPOCH_DEFAULT_MS
    """Length of an epoch."""

    seats: tuple[tuple[int, ...], ...] = ()
    """Nodes that sit on the committee of epoch 0 and on each one after it; all when it is left out."""

    is_staked: bool = False
    """Whether committees are elected from stakes."""

    founders: int = 0
    """Nodes that sit on the first committee, all when it is 0; the others join by registering."""

    regions: tuple[str, ...] = ()
    """Region of each node; all in the first one when left out."""

    clocks: tuple[ClockError, ...] = ()
    """Clock of each node; all right when left out."""

    is_tight: bool = False
    """Whether transactions expire within seconds."""

    load: Mapping[str, Any] = {}
    """Any of ``LOAD``."""

    machine: Mapping[str, Any] = {}
    """Any of ``MACHINE``."""

    twins: tuple[int, ...] = ()
    """Validators that run twice; their twins are the nodes that follow the last validator."""

    fault: tuple[Fault, ...] = ()
    """What goes wrong, and when: a list of ``[[fault]]`` tables, each with its ``play``."""

    adversary: tuple[Adversary, ...] = ()
    """Nodes that are not honest: a list of ``[[adversary]]`` tables."""


LOAD: Final = ("wallets", "traders", "stakers", "rate", "double_spends", "is_settled")
"""Keys of the table ``[load]``."""

MACHINE: Final = ("jitter_ms", "loss", "disk_ms", "intake_max", "pending_max")
"""Keys of the table ``[machine]``."""


def load_scenario(
    path: Path, seed: int | None = None, *, is_byzantine_allowed: bool = False
) -> SimulationOptions:
    """Options of the simulation that a file describes.

    :param seed: instead of the file's.
    :param is_byzantine_allowed: whether more nodes may be faulty than the committee tolerates.
    :raises InvalidScenario: the file is no scenario.
    :raises ImpossiblePlan: it is one, and it cannot be played.
    :raises OSError: the file cannot be read.
    """
    table = _read_table(path)
    _check_keys(path, table)
    try:
        scenario = msgspec.convert(table, Scenario)
        values = {
            "seed": scenario.seed if seed is None else seed,
            "nodes": scenario.nodes,
            "time_s": scenario.time_s,
            "shards": scenario.shards,
            "epoch_ms": scenario.epoch_ms,
            "seats": scenario.seats,
            "is_staked": scenario.is_staked,
            "founders": scenario.founders,
            "regions": scenario.regions or (REGIONS[0],) * scenario.nodes,
            "clocks": scenario.clocks or (ClockError(0, 0),) * scenario.nodes,
            "faults": scenario.fault,
            "adversaries": scenario.adversary,
            "twins": scenario.twins,
            "is_tight": scenario.is_tight,
            "is_byzantine_allowed": is_byzantine_allowed,
            "scenario": str(path),
            **scenario.load,
            **scenario.machine,
        }
        options = msgspec.convert(values, SimulationOptions)
    except msgspec.ValidationError as error:
        raise InvalidScenario(path, _describe(error)) from None
    check_options(options)
    return options


def _read_table(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        content = file.read(SCENARIO_SIZE_MAX + 1)
    if len(content) > SCENARIO_SIZE_MAX:
        raise InvalidScenario(path, f"it is longer than {SCENARIO_SIZE_MAX} bytes; split the play")
    try:
        return tomllib.loads(content.decode())
    except UnicodeDecodeError as error:
        raise InvalidScenario(path, f"byte {error.start} is no UTF-8; save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise InvalidScenario(path, f"it is no TOML: {error}") from None


def _check_keys(path: Path, table: Mapping[str, Any]) -> None:
    """Look for keys that nobody knows, with better words than a decoder has."""
    _check_known(path, "the file", table, [field.name for field in fields(Scenario)])
    _check_known(path, "[load]", table.get("load"), LOAD)
    _check_known(path, "[machine]", table.get("machine"), MACHINE)
    for number, fault in enumerate(_get_tables(table, "fault"), 1):
        place = f"[[fault]] number {number}"
        play = fault.get("play")
        if not isinstance(play, str) or play not in PLAYS:
            raise InvalidScenario(path, f"{place}: play {play!r} is none of {', '.join(sorted(PLAYS))}")
        _check_known(path, place, fault, ["play", *(field.name for field in fields(PLAYS[play]))])
    for number, adversary in enumerate(_get_tables(table, "adversary"), 1):
        known = [field.name for field in fields(Adversary)]
        _check_known(path, f"[[adversary]] number {number}", adversary, known)


def _get_tables(table: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The tables of a list; whatever is no table is left to the decoder to refuse."""
    found = table.get(name)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _check_known(path: Path, place: str, table: Any, known: "tuple[str, ...] | list[str]") -> None:
    for key in table if isinstance(table, dict) else ():
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
            raise InvalidScenario(path, f"{place} has an unknown key {key!r}; {hint}")


def _describe(error: msgspec.ValidationError) -> str:
    reason, _, place = str(error).replace("`", "").partition(" - at ")
    return f"{place.removeprefix('$.') or 'the file'}: {reason[:1].lower()}{reason[1:]}"
