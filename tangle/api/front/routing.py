"""Which shard answers a request: by its path, or by what its body says. Pure.

What cannot be read is nobody's: any shard's door will refuse it with the right problem.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Final

import cbor2
import msgspec
from msgspec import Struct

from tangle.core.encoding import NO_TAGS

MARKET_PATHS: Final = frozenset({"market", "programs", "workers", "quote", "inference", "jobs", "blobs"})
"""What is about the market and its blobs; it is in shard 0."""

STAKING_PATHS: Final = frozenset({"validators"})
"""What is about stakes and elections; they are in shard 0 too."""

MARKET_SHARD: Final = 0
"""Where the market is."""

SHARD_PATHS: Final = frozenset({"blocks", "committee", "evidence", "fees", "models"})
"""What is told of one shard at a time: that of the query, or the node's first."""

ENCODED_DEPTH_MAX: Final = 8
"""Deepest nesting of an encoded record (protocol, section 1.1)."""


class Merged(Enum):
    """What all shards answer together."""

    TRANSACTIONS = "transactions"
    SHARDS = "shards"
    STATUS = "status"
    PEERS = "peers"
    READINESS = "readiness"
    EVENTS = "events"
    EVENT_LOG = "event log"


class ByBody(Enum):
    """What of the body names the shard."""

    ISSUER = "issuer"
    ACCOUNT = "account"
    TRANSACTION = "transaction"
    BATCH = "batch"


class ToShard(Struct, frozen=True):
    """One shard, as the path or the query names it."""

    shard: int


class ToHome(Struct, frozen=True):
    """The home shard of an account."""

    account: str
    """An address, or a public key in hex."""


class ToFinder(Struct, frozen=True):
    """Whichever shard has a transaction."""

    identity: str
    """Its id in hex."""


class Anywhere(Struct, frozen=True):
    """Every shard answers the same."""


Target = ToShard | ToHome | ToFinder | Anywhere | Merged | ByBody
"""Who answers; a closed union."""


def find_target(method: str, path: str, query: Mapping[str, str]) -> Target:
    """Who answers a request."""
    match path.split("/")[1:]:
        case ["v1", "transactions"]:
            if method == "POST":
                return ByBody.TRANSACTION
            return _find_shard(query.get("shard")) or Merged.TRANSACTIONS
        case ["v1", "transactions", "batch"]:
            return ByBody.BATCH
        case ["v1", "transactions", "simulate"]:
            return ByBody.TRANSACTION
        case ["v1", "transactions", identity, *_]:
            return ToFinder(identity)
        case ["v1", "prepare"]:
            return ByBody.ISSUER
        case ["v1", "faucet"]:
            return ByBody.ACCOUNT
        case ["v1", "accounts", account, *_]:
            return ToHome(account)
        case ["v1", "checkpoints", shard, *_]:
            return _find_shard(shard) or Anywhere()
        case ["v1", name, *_] if name in SHARD_PATHS:
            return _find_shard(query.get("shard")) or Anywhere()
        case ["v1", name, *_] if name in MARKET_PATHS or name in STAKING_PATHS:
            return ToShard(MARKET_SHARD)
        case _:
            return _find_merged(path, query)


def _find_merged(path: str, query: Mapping[str, str]) -> Target:
    match path:
        case "/v1/status":
            return _find_shard(query.get("shard")) or Merged.STATUS
        case "/v1/epochs":  # those of shard 0 lead light clients through all shards' committees
            return _find_shard(query.get("shard")) or ToShard(MARKET_SHARD)
        case "/v1/peers":
            return _find_shard(query.get("shard")) or Merged.PEERS
        case "/v1/shards":
            return Merged.SHARDS
        case "/readyz":
            return Merged.READINESS
        case "/v1/events":
            return Merged.EVENTS
        case "/v1/events/log":
            return Merged.EVENT_LOG
        case _:
            return Anywhere()


def _find_shard(text: str | None) -> ToShard | None:
    if text is None or not (text.isascii() and text.isdigit() and len(text) <= len("65535")):
        return None
    return ToShard(int(text))


class _Prepare(Struct):
    issuer: str


class _Faucet(Struct):
    account: str


class _Submit(Struct):
    transaction: str


def find_account(kind: ByBody, body: bytes) -> str | None:
    """The account that a JSON body is about; none where it is no such body."""
    try:
        if kind is ByBody.ISSUER:
            return msgspec.json.decode(body, type=_Prepare).issuer
        return msgspec.json.decode(body, type=_Faucet).account
    except msgspec.MsgspecError:
        return None


def find_transaction_shard(body: bytes, *, is_json: bool) -> int | None:
    """The shard that a submitted transaction names; none where it is none."""
    try:
        encoded = bytes.fromhex(msgspec.json.decode(body, type=_Submit).transaction) if is_json else body
    except (msgspec.MsgspecError, ValueError):
        return None
    return read_shard(encoded)


def read_shard(encoded: bytes) -> int | None:
    """The shard field of an encoded transaction; none where it is none. Nothing else of it is looked at."""
    envelope = _load(encoded)
    if not (isinstance(envelope, list) and envelope and isinstance(envelope[0], bytes)):
        return None
    body = _load(envelope[0])
    if not (isinstance(body, list) and len(body) > 2 and isinstance(body[2], int)):
        return None
    return body[2]


def split_batch(body: bytes) -> Sequence[bytes] | None:
    """The items of a batch; none where it is none."""
    items = _load(body)
    if not (isinstance(items, list) and items and all(isinstance(item, bytes) for item in items)):
        return None
    return items


def _load(data: bytes) -> object:
    try:
        return cbor2.loads(
            data,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            max_depth=ENCODED_DEPTH_MAX,
            semantic_decoders=NO_TAGS,
        )
    except Exception:  # cbor2 leaks ValueError, OverflowError, UnicodeDecodeError on hostile bytes
        return None
