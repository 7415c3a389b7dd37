"""How protocol values are written in JSON, and the same answers in CBOR.

JavaScript and many JSON parsers round integers above 2**53, so every 64-bit number travels as a decimal
string; hashes and keys travel as lower-case hex. The types here are ordinary ``int`` and ``bytes`` at run
time: the server builds answers from protocol values, and the client computes with what it receives. Source:
protocol 9.
"""

import re
from typing import Any, Final, TypeVar

import cbor2
import msgspec

from tangle.core.types import INTEGER_MAX

Value = TypeVar("Value")

_DECIMAL: Final = re.compile(r"(0|[1-9][0-9]{0,18})", re.ASCII)
_SIGNED_DECIMAL: Final = re.compile(r"(0|-?[1-9][0-9]{0,18})", re.ASCII)
_EVENT: Final = re.compile(r"(0|[1-9][0-9]{0,3999})", re.ASCII)
_HEX: Final = re.compile(r"([0-9a-fA-F]{2})*", re.ASCII)


class Quantity(int):
    """An integer from 0 to 2**63 - 1, in JSON a decimal string without leading zeros."""


class EventId(int):
    """An event's number, in JSON a decimal string without leading zeros. Those of a node with several shards
    hold the numbers of all of them, so they are longer than 64 bits.
    """


class SignedQuantity(int):
    """A signed 64-bit integer, in JSON a decimal string without leading zeros."""


class HexBytes(bytes):
    """Bytes, in JSON lower-case hex; both cases are read."""


class HexDigest(HexBytes):
    """Exactly 32 bytes: a hash, an id or a public key."""


def encode_value(value: object) -> str:
    """Write one of this module's types; the ``enc_hook`` of msgspec."""
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"{type(value).__name__} has no JSON form")


_ENCODER: Final = msgspec.json.Encoder(enc_hook=encode_value)


def decode_value(kind: type[Any], value: object) -> object:
    """Read one of this module's types; the ``dec_hook`` of msgspec.

    :raises ValueError: not of that form; msgspec turns it into a ``ValidationError`` that names the place.
    """
    if not isinstance(value, str):
        raise ValueError(f"Expected a string, got `{type(value).__name__}`")
    if issubclass(kind, Quantity):
        if _DECIMAL.fullmatch(value) is None or int(value) > INTEGER_MAX:
            raise ValueError("Expected a decimal number from 0 to 2**63 - 1")
        return kind(value)
    if issubclass(kind, EventId):
        if _EVENT.fullmatch(value) is None:
            raise ValueError("Expected a decimal number of at most 4000 digits")
        return kind(value)
    if issubclass(kind, SignedQuantity):
        if _SIGNED_DECIMAL.fullmatch(value) is None or not -INTEGER_MAX - 1 <= int(value) <= INTEGER_MAX:
            raise ValueError("Expected a decimal number from -2**63 to 2**63 - 1")
        return kind(value)
    if issubclass(kind, HexBytes):
        if _HEX.fullmatch(value) is None:
            raise ValueError("Expected hex digits, two for each byte")
        if issubclass(kind, HexDigest) and len(value) != 64:
            raise ValueError("Expected 64 hex digits (32 bytes)")
        return kind(bytes.fromhex(value))
    raise TypeError(f"{kind.__name__} has no JSON form")


def get_value_schema(kind: type[Any]) -> dict[str, Any]:
    """JSON Schema of one of this module's types; the ``schema_hook`` of msgspec."""
    if issubclass(kind, Quantity):
        return {"type": "string", "pattern": "^(0|[1-9][0-9]{0,18})$", "examples": ["1000000000"]}
    if issubclass(kind, EventId):
        return {"type": "string", "pattern": "^(0|[1-9][0-9]{0,3999})$", "examples": ["12"]}
    if issubclass(kind, SignedQuantity):
        return {"type": "string", "pattern": "^(0|-?[1-9][0-9]{0,18})$", "examples": ["-42"]}
    if issubclass(kind, HexDigest):
        return {"type": "string", "pattern": "^[0-9a-fA-F]{64}$"}
    if issubclass(kind, HexBytes):
        return {"type": "string", "pattern": "^([0-9a-fA-F]{2})*$"}
    raise TypeError(f"{kind.__name__} has no JSON form")


def encode_json(value: object) -> bytes:
    """JSON of a struct or of builtins that hold this module's types."""
    return _ENCODER.encode(value)


def encode_cbor(value: object) -> bytes:
    """CBOR of what ``encode_json`` writes: the same names, but numbers are integers and bytes are bytes."""
    return cbor2.dumps(msgspec.to_builtins(value, builtin_types=(bytes,), enc_hook=_strip_value))


def _strip_value(value: object) -> int | bytes:
    if isinstance(value, Quantity | SignedQuantity | EventId):
        return int(value)
    if isinstance(value, HexBytes):
        return bytes(value)
    raise TypeError(f"{type(value).__name__} has no CBOR form")


def decode_json(kind: type[Value], data: bytes) -> Value:
    """Read JSON as ``kind``.

    :raises msgspec.ValidationError: JSON, but not a ``kind``; the message ends with the path.
    :raises msgspec.DecodeError: not JSON.
    """
    return msgspec.json.decode(data, type=kind, dec_hook=decode_value)


def convert_texts(kind: type[Value], texts: dict[str, str]) -> Value:
    """Read path and query texts as the fields of ``kind``.

    :raises msgspec.ValidationError: a field is missing, unknown or not of its form.
    """
    found = msgspec.convert(texts, kind, strict=False, dec_hook=decode_value)
    for name, text in texts.items():
        if getattr(found, name, text) is None:  # a text such as "null" is no way to say nothing
            raise msgspec.ValidationError(f"Expected a value instead of {text[:40]!r} - at `$.{name}`")
    return found
