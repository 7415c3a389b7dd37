"""``tangle config``: what holds, where it comes from, and whether it is right."""

import json
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from tangle.cli.config_file import get_settings
from tangle.cli.main import main


def run(home: Path, *arguments: str, **variables: str) -> tuple[int, str]:
    """Exit status and everything that was printed."""
    result = CliRunner().invoke(main, ["--home", str(home), "config", *arguments], env=variables)
    return result.exit_code, result.output


def test_each_setting_names_its_origin(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('\napi_port = 4000\ncors_origins = ["https://[bold]x.example"]\n')
    status, shown = run(tmp_path, "show", "--origin", TANGLE_PEER_PORT="5000")
    assert status == 0
    lines = {line.partition(" = ")[0]: line for line in shown.splitlines()}
    assert set(lines) == set(get_settings())
    assert lines["api_port"].split(" # ")[1] == f"{tmp_path}/config.toml line 2"
    assert lines["peer_port"].split(" # ")[1] == "TANGLE_PEER_PORT"
    assert lines["name"].split(" # ")[1] == "default"
    assert '["https://[bold]x.example"]' in lines["cors_origins"]


def test_without_origins_it_is_a_file_that_gives_the_same_settings(tmp_path: Path) -> None:
    _, shown = run(tmp_path, "show", "--no-origin", TANGLE_PEER_PORT="5000")
    assert tomllib.loads(shown)["peer_port"] == 5000


@pytest.mark.parametrize("text", ["api_port = 70000", "api_prot = 1", "name = ''", "= 1"])
def test_a_wrong_file_is_found_before_the_node_starts(tmp_path: Path, text: str) -> None:
    assert run(tmp_path, "check")[0] == 0
    (tmp_path / "config.toml").write_text(text)
    status, shown = run(tmp_path, "check")
    assert (status, "config.toml" in shown) == (2, True)


def test_a_check_for_machines(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("workers = 3\n")
    told = json.loads(run(tmp_path, "check", "--json")[1])
    assert told == {"is_valid": True, "origins": {"workers": f"{tmp_path}/config.toml line 1"}}
