"""Settings of a node: defaults, then ``config.toml``, then ``TANGLE_*`` variables, then options.

Each layer is checked on its own, so that a refusal names the very line, variable or option that is wrong.
The commented template is made from the fields of ``NodeConfig`` and the sentences under them, so it cannot
fall behind. A field that is a record of its own is a table of the file; its settings have the table's name in
front: ``jobs.worker`` is ``worker`` under ``[jobs]``, and ``TANGLE_JOBS_WORKER``.
"""

import ast
import difflib
import inspect
import re
import textwrap
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec.structs import fields

from tangle.cli.errors import InvalidConfig
from tangle.node.config import NodeConfig
from tangle.node.jobs.settings import JobsConfig

TABLES: Final[dict[str, type[msgspec.Struct]]] = {"jobs": JobsConfig}
"""Tables of the file and the records that they are."""

CONFIG_SIZE_MAX: Final = 65_536
"""Longest configuration file in bytes; a full one has under 4 KiB."""

TEMPLATE_WIDTH: Final = 100
"""Columns of the template's comments."""

ENVIRONMENT_PREFIX: Final = "TANGLE_"
"""``api_port`` is the variable ``TANGLE_API_PORT``."""

TEMPLATE_HEAD: Final = f"""\
# Settings of one node. A line without '#' in front of it counts; what is commented out shows the default.
# The same names in capitals after {ENVIRONMENT_PREFIX} are environment variables, which outrank this file.
"""
"""First lines of the template."""

DEFAULT_ORIGIN: Final = "default"
"""Origin of a setting that nobody made."""


class ConfigWithOrigins(msgspec.Struct, frozen=True):
    """Settings, and where each comes from."""

    config: NodeConfig
    """The settings."""

    origins: dict[str, str]
    """By name: ``default``, a line of a file, a variable, or an option."""


def load_config(
    path: Path, environment: Mapping[str, str], options: Mapping[str, object]
) -> ConfigWithOrigins:
    """Settings of the node whose file is ``path``; a missing file changes nothing.

    :param environment: the process's variables.
    :param options: values of command-line options by the setting's name; None for those not given.
    :raises InvalidConfig: a name or value is wrong in one of the three.
    :raises OSError: the file is there and cannot be read.
    """
    values: dict[str, Any] = {}
    tables: dict[str, dict[str, Any]] = {table: {} for table in TABLES}
    origins = dict.fromkeys(get_settings(), DEFAULT_ORIGIN)
    layers = (_read_file(path), _read_environment(environment), _read_options(options))
    for layer in layers:
        for name, (source, value) in layer.items():
            table, _, key = name.rpartition(".")
            (tables[table] if table else values)[key] = value
            origins[name] = source
    records: dict[str, Any] = {table: kind(**tables[table]) for table, kind in TABLES.items()}
    return ConfigWithOrigins(NodeConfig(**values, **records), origins)


def render_template(changes: Mapping[str, object]) -> str:
    """A ``config.toml`` with every setting commented; ``changes`` stand uncommented."""
    blocks = [TEMPLATE_HEAD]
    docs = read_field_docs()
    within = ""
    for name, field in get_settings().items():
        table, _, key = name.rpartition(".")
        if table != within:
            blocks.append(f"[{table}]\n")
            within = table
        comment = textwrap.fill(
            docs[name].replace("``", ""), TEMPLATE_WIDTH, initial_indent="# ", subsequent_indent="# "
        )
        mark = "" if name in changes else "# "
        value = changes.get(name, field.default)
        blocks.append(f"{comment}\n{mark}{key} = {format_value(value)}\n")
    return "\n".join(blocks)


def get_value(config: NodeConfig, name: str) -> object:
    """A setting by its name."""
    value: object = config
    for part in name.split("."):
        value = getattr(value, part)
    return value


@cache
def get_settings() -> dict[str, msgspec.structs.FieldInfo]:
    """Every setting by its name, in order; those of tables last, as TOML wants it."""
    settings = {field.name: field for field in fields(NodeConfig) if field.name not in TABLES}
    for table, kind in TABLES.items():
        settings |= {f"{table}.{field.name}": field for field in fields(kind)}
    return settings


@cache
def read_field_docs() -> dict[str, str]:
    """The sentence under each field of ``NodeConfig`` and of its tables, by the setting's name."""
    docs = {name: text for name, text in _read_docs(NodeConfig).items() if name not in TABLES}
    for table, kind in TABLES.items():
        docs |= {f"{table}.{name}": text for name, text in _read_docs(kind).items()}
    return docs


def _read_docs(kind: type[msgspec.Struct]) -> dict[str, str]:
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(tree, ast.ClassDef)
    docs = {}
    for statement, following in zip(tree.body, tree.body[1:], strict=False):
        match statement, following:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                docs[name] = " ".join(text.split())
            case _:
                pass
    return docs


def format_value(value: object) -> str:
    """A value in TOML."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case tuple() | list():
            return "[" + ", ".join(map(format_value, value)) + "]"
        case _:
            # JSON's string escapes are a subset of those of TOML's basic strings.
            return msgspec.json.encode(str(value)).decode()


def get_variable(name: str) -> str:
    """The environment variable of a setting."""
    return ENVIRONMENT_PREFIX + name.upper().replace(".", "_")


Layer = dict[str, tuple[str, Any]]
"""Source and checked value by a setting's name."""


def _read_file(path: Path) -> Layer:
    try:
        with path.open("rb") as file:
            data = file.read(CONFIG_SIZE_MAX + 1)
    except FileNotFoundError:
        return {}
    if len(data) > CONFIG_SIZE_MAX:
        raise InvalidConfig(str(path), f"it is over {CONFIG_SIZE_MAX} bytes, so it is no configuration")
    try:
        text = data.decode()
        table = tomllib.loads(text)
    except UnicodeDecodeError:
        raise InvalidConfig(str(path), "it is not text in UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise InvalidConfig(str(path), f"it is not TOML: {error}") from None
    layer = {}
    for name, value in table.items():
        if name in TABLES and isinstance(value, dict):
            first = _find_line(text, name)
            for key, inner in value.items():
                source = f"{path} line {_find_line(text, key, first)}"
                layer[f"{name}.{key}"] = (source, _check(source, f"{name}.{key}", inner, is_text=False))
            continue
        source = f"{path} line {_find_line(text, name)}"
        layer[name] = (source, _check(source, name, value, is_text=False))
    return layer


def _read_environment(environment: Mapping[str, str]) -> Layer:
    layer = {}
    for name in get_settings():
        variable = get_variable(name)
        if variable in environment:
            layer[name] = (variable, _check(variable, name, environment[variable], is_text=True))
    return layer


def _read_options(options: Mapping[str, object]) -> Layer:
    layer = {}
    for name, value in options.items():
        if value is not None:
            source = "--" + name.replace("_", "-").replace(".", "-")
            layer[name] = (source, _check(source, name, value, is_text=False))
    return layer


def _check(source: str, name: str, value: object, *, is_text: bool) -> object:
    field = get_settings().get(name)
    if field is None:
        close = difflib.get_close_matches(name, get_settings(), n=1)
        hint = f"; did you mean {close[0]}?" if close else "; see tangle config default"
        raise InvalidConfig(source, f"there is no setting {name}{hint}")
    if is_text and isinstance(value, str) and isinstance(field.default, tuple):
        value = [part.strip() for part in value.split(",") if part.strip()]
    try:
        return msgspec.convert(value, field.type, strict=not is_text)
    except msgspec.ValidationError as error:
        reason = str(error).partition(" - at")[0].replace("`", "")
        raise InvalidConfig(source, f"{name}: {reason[:1].lower()}{reason[1:]}") from None


def _find_line(text: str, name: str, first: int = 1) -> int:
    """Line of a key, or of the table of that name, from line ``first`` on; that one where an exotic spelling
    hides it.
    """
    pattern = re.compile(rf"\s*\[*\s*[\"']?{re.escape(name)}[\"']?\s*[\].=]")
    lines = enumerate(text.splitlines(), 1)
    return next((number for number, line in lines if number >= first and pattern.match(line)), first)
