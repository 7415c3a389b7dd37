"""Settings: the template, the order of the layers, and that every refusal names its source."""

import tomllib
from pathlib import Path

import pytest

from tangle.cli.config_file import (
    CONFIG_SIZE_MAX,
    format_value,
    get_settings,
    load_config,
    read_field_docs,
    render_template,
)
from tangle.cli.context import CommandContext
from tangle.cli.errors import InvalidConfig
from tangle.node.config import NodeConfig
from tests.cli.builders import Terminal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def test_without_file_variables_and_options_the_defaults_hold(path: Path) -> None:
    loaded = load_config(path, {}, {"name": None})
    assert loaded.config == NodeConfig()
    assert set(loaded.origins.values()) == {"default"}


def test_the_template_is_all_comment_and_explains_every_setting() -> None:
    text = render_template({})
    assert tomllib.loads(text) == {"jobs": {}}
    assert set(read_field_docs()) == set(get_settings())
    uncommented = "\n".join(
        line.removeprefix("# ") for line in text.splitlines() if " = " in line and line[0] == "#"
    )
    named = [name.rpartition(".")[2] for name in get_settings()]
    assert len(set(named)) == len(named), "or the line above would hide one"
    assert set(tomllib.loads(uncommented)) == set(named)


def test_the_template_uncommented_is_the_default_configuration(path: Path) -> None:
    defaults = {name: field.default for name, field in get_settings().items()}
    path.write_text(render_template(defaults))
    loaded = load_config(path, {}, {})
    assert loaded.config == NodeConfig()
    assert all("config.toml line" in origin for origin in loaded.origins.values())


def test_changes_stand_uncommented(path: Path) -> None:
    path.write_text(render_template({"name": 'say "hi" \\ \n', "peers": ("a:1", "b:2"), "faucet": True}))
    config = load_config(path, {}, {}).config
    assert (config.name, config.peers, config.faucet) == ('say "hi" \\ \n', ("a:1", "b:2"), True)


def test_a_table_has_settings_of_its_own(path: Path) -> None:
    path.write_text(render_template({"jobs.worker": True, "jobs.speed": 7}))
    loaded = load_config(path, {"TANGLE_JOBS_SLOTS": "3"}, {"jobs.speed": 9})
    jobs = loaded.config.jobs
    assert (jobs.worker, jobs.speed, jobs.slots) == (True, 9, 3)
    assert loaded.origins["jobs.worker"] == f"{path} line {find_line(path, 'worker = true')}"
    assert (loaded.origins["jobs.slots"], loaded.origins["jobs.speed"]) == (
        "TANGLE_JOBS_SLOTS",
        "--jobs-speed",
    )
    assert loaded.origins["jobs.bond"] == "default"


def find_line(path: Path, line: str) -> int:
    return path.read_text().splitlines().index(line) + 1


def test_options_go_before_variables_and_variables_before_the_file(path: Path) -> None:
    path.write_text('name = "file"\napi_port = 1\npeer_port = 2\n')
    loaded = load_config(path, {"TANGLE_NAME": "variable", "TANGLE_API_PORT": "3"}, {"name": "option"})
    assert (loaded.config.name, loaded.config.api_port, loaded.config.peer_port) == ("option", 3, 2)
    origins = loaded.origins
    assert (origins["name"], origins["api_port"]) == ("--name", "TANGLE_API_PORT")
    assert origins["peer_port"] == f"{path} line 3"


def test_variables_of_every_type(path: Path) -> None:
    environment = {"TANGLE_PEERS": "a:1, b:2,", "TANGLE_FAUCET": "true", "TANGLE_WORKERS": "3"}
    config = load_config(path, environment, {}).config
    assert (config.peers, config.faucet, config.workers) == (("a:1", "b:2"), True, 3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("\n\napi_prot = 1\n", r"config\.toml line 3: there is no setting api_prot; did you mean api_port\?"),
        ("zebra = 1\n", r"line 1: there is no setting zebra; see tangle config default"),
        ("[network]\nname = 'x'\n", r"line 1: there is no setting network"),
        ("api_port = 65536\n", r"line 1: api_port: expected int <= 65535"),
        ("# x\napi_port = '1'\n", r"line 2: api_port: expected int, got str"),
        ("peers = 'a:1'\n", r"line 1: peers: expected array, got str"),
        ("faucet = 1\n", r"line 1: faucet: expected bool, got int"),
        ("[jobs]\n\nspede = 1\n", r"line 3: there is no setting jobs\.spede; did you mean jobs\.speed\?"),
        ("name = 'x'\n[jobs]\nspeed = 0\n", r"line 3: jobs\.speed: expected int >= 1"),
        ("jobs = 1\n", r"line 1: there is no setting jobs"),
        ("name = ''\n", r"line 1: name: expected str of length >= 1"),
        ("api_port = \n", r"config\.toml: it is not TOML: .*line 1"),
        ("name = 'a'\nname = 'b'\n", r"it is not TOML"),
        ("#" * (CONFIG_SIZE_MAX + 1), r"it is over 65536 bytes"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(path: Path, content: str, message: str) -> None:
    path.write_text(content)
    with pytest.raises(InvalidConfig, match=message):
        load_config(path, {}, {})


def test_a_file_that_is_not_text_is_refused(path: Path) -> None:
    path.write_bytes(b"name = '\xff'")
    with pytest.raises(InvalidConfig, match="not text in UTF-8"):
        load_config(path, {}, {})


def test_a_wrong_variable_and_a_wrong_option_are_named(path: Path) -> None:
    with pytest.raises(InvalidConfig, match=r"TANGLE_API_PORT: api_port: expected int"):
        load_config(path, {"TANGLE_API_PORT": "many"}, {})
    with pytest.raises(InvalidConfig, match=r"--api-port: api_port: expected int >= 0"):
        load_config(path, {}, {"api_port": -1})


def test_values_are_written_as_toml() -> None:
    assert [format_value(value) for value in (True, 3, ("a",), "b")] == ["true", "3", '["a"]', '"b"']


def test_config_show_tells_values_and_origins(terminal: Terminal) -> None:
    terminal.home.mkdir()
    (terminal.home / "config.toml").write_text("api_port = 1234\n")
    shown = terminal.run_json("config", "show", env={"TANGLE_NAME": "n1"})
    assert (shown["settings"]["api_port"], shown["settings"]["name"]) == (1234, "n1")
    assert shown["origins"]["name"] == "TANGLE_NAME"
    assert "api_port = 1234" in terminal.run("config", "show").stdout


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ("", "http://127.0.0.1:14265"),
        ("api_port = 1234", "http://127.0.0.1:1234"),
        ("api_host = '0.0.0.0'", "http://127.0.0.1:14265"),
        ("api_host = '::1'", "http://[::1]:14265"),
        ("api_host = '10.0.0.1'", "http://10.0.0.1:14265"),
    ],
)
def test_the_node_of_the_home_is_asked(tmp_path: Path, settings: str, url: str) -> None:
    (tmp_path / "config.toml").write_text(settings)
    context = CommandContext()
    context.home = tmp_path
    assert context.url == url
    context.url = "http://elsewhere"
    assert context.url == "http://elsewhere"


def test_config_default_prints_the_template(terminal: Terminal) -> None:
    assert terminal.run("config", "default").stdout == render_template({})
