"""Blobs over HTTP: in and out as streams, in parts, and every way in which that is refused."""

from collections.abc import AsyncIterator
from io import BytesIO

import anyio
import pytest

from tangle.api.byte_ranges import find_range, is_known_tag
from tangle.api.config import ApiConfig
from tangle.api.errors import RangeUnsatisfiable
from tangle.core.blob_id import format_blob_id, make_blob_id
from tangle.core.chunk_tree import BLOB_SIZE_MAX, PIECE_SIZE, compute_tree
from tangle.core.types import Digest
from tangle.store.blob_files import MemoryBlobFiles
from tests.api.ledger_double import LedgerDouble
from tests.api.serving import Http, connect, serve
from tests.node.world import wait_until

CONTENT = bytes(range(256)) * 3_000
ID = format_blob_id(compute_tree(CONTENT).id)
UNKNOWN = format_blob_id(make_blob_id(Digest(bytes(32))))
ELSEWHERE = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"


async def put(http: Http, content: bytes = CONTENT, query: str = "") -> str:
    status, answer, _ = await http.ask("POST", f"/v1/blobs{query}", data=content)
    assert status == 201, answer
    return str(answer["data"]["id"])


def get_files(ledger: LedgerDouble) -> MemoryBlobFiles:
    files = ledger.blobs.store.files
    assert isinstance(files, MemoryBlobFiles)
    return files


async def test_what_is_put_comes_back_with_its_id(http: Http) -> None:
    status, answer, _ = await http.ask("POST", "/v1/blobs", data=CONTENT)
    assert status == 201
    assert answer["data"] | {"used_ms": "0"} == {
        "id": ID,
        "state": "whole",
        "size": str(len(CONTENT)),
        "held_bytes": str(len(CONTENT)),
        "is_pinned": True,
        "used_ms": "0",
        "sources": 0,
        "reason": None,
        "reason_code": None,
    }
    status, content, response = await http.ask("GET", f"/v1/blobs/{ID}")
    assert (status, content) == (200, CONTENT)
    assert response.headers["ETag"] == f'"{ID}"'
    assert response.headers["Accept-Ranges"] == "bytes"
    assert response.content_type == "application/octet-stream"
    status, content, response = await http.ask("HEAD", f"/v1/blobs/{ID}")
    assert (status, content, response.headers["Content-Length"]) == (200, b"", str(len(CONTENT)))


@pytest.mark.parametrize(
    "content", [b"", b"x", CONTENT[: PIECE_SIZE + 1]], ids=["empty", "one", "two pieces"]
)
async def test_small_ones_too_also_without_a_stated_length(http: Http, content: bytes) -> None:
    async def stream() -> AsyncIterator[bytes]:
        for start in range(0, len(content), 1_000):
            yield content[start : start + 1_000]

    name = format_blob_id(compute_tree(content).id)
    status, answer, _ = await http.ask("PUT", f"/v1/blobs/{name}?pin=false", data=stream())
    assert (status, answer["data"]["is_pinned"]) == (201, False)
    assert (await http.ask("GET", f"/v1/blobs/{name}"))[:2] == (200, content)


@pytest.mark.parametrize(
    ("stated", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=5-9", 5, 9),
        (f"bytes={PIECE_SIZE - 2}-{PIECE_SIZE + 2}", PIECE_SIZE - 2, PIECE_SIZE + 2),
        ("bytes=-3", len(CONTENT) - 3, len(CONTENT) - 1),
        ("bytes=700000-", 700_000, len(CONTENT) - 1),
        ("bytes=700000-99999999999", 700_000, len(CONTENT) - 1),
    ],
)
async def test_a_range_is_given(http: Http, stated: str, first: int, last: int) -> None:
    await put(http)
    status, content, response = await http.ask("GET", f"/v1/blobs/{ID}", headers={"Range": stated})
    assert (status, content) == (206, CONTENT[first : last + 1])
    assert response.headers["Content-Range"] == f"bytes {first}-{last}/{len(CONTENT)}"


async def test_ranges_and_tags_that_change_nothing(http: Http) -> None:
    await put(http)
    for headers in (
        {"Range": "bytes=9-5"},
        {"Range": "bytes=0-1,4-5"},
        {"Range": "lines=1-2"},
        {"Range": "bytes=-"},
        {"Range": "bytes=1-2", "If-Range": '"another"'},
        {"If-None-Match": '"another"'},
    ):
        assert (await http.ask("GET", f"/v1/blobs/{ID}", headers=headers))[:2] == (200, CONTENT)
    for stated in (f'"{ID}"', f'"a", W/"{ID}"', "*"):
        status, content, _ = await http.ask("GET", f"/v1/blobs/{ID}", headers={"If-None-Match": stated})
        assert (status, content) == (304, b"")
    path, headers = f"/v1/blobs/{ID}", {"Range": f"bytes={len(CONTENT)}-"}
    assert await http.refuse("GET", path, headers=headers) == (416, "range-unsatisfiable")


def test_nothing_has_no_ranges() -> None:
    with pytest.raises(RangeUnsatisfiable):
        find_range({"Range": "bytes=0-"}, '"x"', 0)
    with pytest.raises(RangeUnsatisfiable):
        find_range({"Range": "bytes=-0"}, '"x"', 5)
    assert not is_known_tag(None, '"x"')


async def test_the_list_is_complete_page_by_page(http: Http) -> None:
    names = sorted([await put(http, str(number).encode(), "?pin=false") for number in range(7)])
    found, cursor = [], ""
    while True:
        _, answer, _ = await http.ask("GET", f"/v1/blobs?limit=3{cursor}")
        found += [item["id"] for item in answer["data"]]
        if answer["meta"]["next_cursor"] is None:
            break
        cursor = f"&cursor={answer['meta']['next_cursor']}"
    assert sorted(found) == names
    assert len(found) == len(names)
    room = await http.get("/v1/blobs/room")
    assert (room["blobs"], room["pinned_bytes"], room["quota_bytes"]) == (7, "0", "2000000")


async def test_pinning_and_collecting(http: Http) -> None:
    kept, gone = await put(http, b"kept"), await put(http, b"gone")
    status, answer, _ = await http.ask("DELETE", f"/v1/blobs/{gone}")
    assert (status, answer["data"]["is_pinned"]) == (200, False)
    await http.ask("DELETE", f"/v1/blobs/{kept}")
    status, answer, _ = await http.ask("PUT", f"/v1/blobs/{kept}/pin")
    assert (status, answer["data"]["is_pinned"]) == (200, True)
    status, answer, _ = await http.ask("POST", "/v1/blobs/collect", json={})
    assert (status, answer["data"]["blobs"]) == (200, 1)
    assert [item["id"] for item in await http.get("/v1/blobs")] == [kept]


async def test_fetching_what_is_here_is_done_at_once(http: Http) -> None:
    await put(http, query="?pin=false")
    status, answer, _ = await http.ask("POST", f"/v1/blobs/{ID}/fetch?pin=true")
    assert (status, answer["data"]["state"], answer["data"]["is_pinned"]) == (200, "whole", True)
    assert (await http.get(f"/v1/blobs/{ID}/status"))["state"] == "whole"


async def test_fetching_is_begun_and_given_up(ledger: LedgerDouble, http: Http) -> None:
    async with anyio.create_task_group() as tasks:
        await tasks.start(ledger.blobs.run)
        status, answer, _ = await http.ask("POST", f"/v1/blobs/{UNKNOWN}/fetch")
        assert (status, answer["data"]["state"]) == (202, "fetching")
        assert (await http.get(f"/v1/blobs/{UNKNOWN}/status"))["size"] is None
        status, answer, _ = await http.ask("DELETE", f"/v1/blobs/{UNKNOWN}")
        assert (status, answer["data"]["reason_code"]) == (200, "blob-fetch-stopped")
        assert await http.refuse("GET", f"/v1/blobs/{UNKNOWN}/status") == (404, "blob-unknown")
        tasks.cancel_scope.cancel()


# ── refusals ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", f"/v1/blobs/{UNKNOWN}", (404, "blob-unknown")),
        ("GET", f"/v1/blobs/{UNKNOWN}/status", (404, "blob-unknown")),
        ("PUT", f"/v1/blobs/{UNKNOWN}/pin", (404, "blob-unknown")),
        ("DELETE", f"/v1/blobs/{UNKNOWN}", (404, "blob-unknown")),
        ("POST", f"/v1/blobs/{UNKNOWN}/fetch", (409, "blob-unavailable")),
        ("GET", f"/v1/blobs/{ELSEWHERE}", (400, "blob-id-unsupported")),
        ("PUT", f"/v1/blobs/{ELSEWHERE}", (400, "blob-id-unsupported")),
        ("GET", "/v1/blobs/collect", (400, "blob-id-malformed")),
        ("GET", "/v1/blobs/..%2f..%2fetc%2fpasswd", (400, "blob-id-malformed")),
        ("GET", f"/v1/blobs/{UNKNOWN}.tree", (400, "blob-id-malformed")),
        ("GET", f"/v1/blobs/{UNKNOWN.upper()}", (400, "blob-id-malformed")),
        ("GET", "/v1/blobs?cursor=!", (400, "cursor-invalid")),
        ("GET", "/v1/blobs?limit=1001", (400, "request-invalid")),
        ("POST", "/v1/blobs?pin=maybe", (400, "request-invalid")),
    ],
)
async def test_what_is_not_there_or_no_id(
    http: Http, method: str, path: str, expected: tuple[int, str]
) -> None:
    assert await http.refuse(method, path) == expected


async def test_content_that_does_not_match_its_id_is_not_kept(ledger: LedgerDouble, http: Http) -> None:
    for content in (CONTENT[:-1], CONTENT + b"x", b""):
        assert await http.refuse("PUT", f"/v1/blobs/{ID}", data=content) == (422, "blob-mismatch")
    assert get_files(ledger).contents == {}


async def test_a_full_quota_is_said_and_loses_nothing(ledger: LedgerDouble, http: Http) -> None:
    await put(http)
    before = dict(get_files(ledger).contents)

    async def stream() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield bytes(50_000)

    for content in (BytesIO(bytes(1_500_000)), stream()):
        assert await http.refuse("POST", "/v1/blobs", data=content) == (507, "blob-quota-reached")
    assert get_files(ledger).contents == before
    await put(http, b"something small")


async def test_too_long_is_said_before_it_is_sent(http: Http) -> None:
    headers = {"Content-Length": str(BLOB_SIZE_MAX + 1)}

    async def nothing() -> AsyncIterator[bytes]:
        yield b"x"
        await anyio.sleep_forever()

    status, code = await http.refuse("POST", "/v1/blobs", data=nothing(), headers=headers)
    assert (status, code) == (413, "blob-oversize")


@pytest.mark.parametrize("headers", [{"Content-Type": "text/plain"}, {"Content-Encoding": "gzip"}])
async def test_other_media_types(http: Http, headers: dict[str, str]) -> None:
    found = await http.refuse("POST", "/v1/blobs", data=b"content", headers=headers)
    assert found == (415, "media-type-unsupported")


async def test_an_upload_that_breaks_off_leaves_nothing(ledger: LedgerDouble, http: Http) -> None:
    host, port = http.base_url.removeprefix("http://").split(":")
    async with await anyio.connect_tcp(host, int(port)) as stream:
        await stream.send(
            b"POST /v1/blobs HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n" + bytes(600_000)
        )
        await wait_until(lambda: bool(get_files(ledger).contents))
    await wait_until(lambda: not get_files(ledger).contents and not ledger.blobs.store.kept_bytes)


async def test_an_upload_that_stops_coming_is_given_up(ledger: LedgerDouble) -> None:
    config = ApiConfig(port=0, metrics_port=None, body_timeout_s=0.2, stop_timeout_s=1.0)

    async def stream() -> AsyncIterator[bytes]:
        yield bytes(300_000)
        await anyio.sleep_forever()

    async with serve(ledger, config) as addresses, connect(addresses.api) as http:
        assert await http.refuse("POST", "/v1/blobs", data=stream()) == (408, "body-timeout")
    assert get_files(ledger).contents == {}


async def test_places_are_bounded(ledger: LedgerDouble) -> None:
    config = ApiConfig(port=0, metrics_port=None, transfers_per_address_max=1, stop_timeout_s=1.0)
    is_done = anyio.Event()

    async def stream() -> AsyncIterator[bytes]:
        yield bytes(PIECE_SIZE)
        await is_done.wait()

    async def upload(http: Http) -> None:
        assert (await http.ask("POST", "/v1/blobs", data=stream()))[0] == 201

    async with serve(ledger, config) as addresses, connect(addresses.api) as http:
        async with anyio.create_task_group() as tasks:
            blob = await put(http)
            tasks.start_soon(upload, http)
            # the blob, its tree and pin, and the upload
            await wait_until(lambda: len(get_files(ledger).contents) == 4)
            assert await http.refuse("GET", f"/v1/blobs/{blob}") == (429, "waits-exhausted")
            is_done.set()
        assert (await http.ask("GET", f"/v1/blobs/{blob}"))[0] == 200


async def test_damage_on_disk_is_never_given(ledger: LedgerDouble, http: Http) -> None:
    await put(http)
    get_files(ledger).contents[ID][7] ^= 1
    assert await http.refuse("GET", f"/v1/blobs/{ID}") == (409, "blob-damaged")
    assert await http.refuse("GET", f"/v1/blobs/{ID}") == (404, "blob-unknown")
    assert (await http.get(f"/v1/blobs/{ID}/status"))["state"] == "partial"
    assert await put(http) == ID


async def test_who_asks_from_elsewhere_changes_nothing(
    ledger: LedgerDouble, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(http)
    monkeypatch.setattr("tangle.api.routes_blobs.is_loopback", lambda address: False)
    for method, path in (
        ("POST", "/v1/blobs"),
        ("PUT", f"/v1/blobs/{ID}"),
        ("PUT", f"/v1/blobs/{ID}/pin"),
        ("DELETE", f"/v1/blobs/{ID}"),
        ("POST", f"/v1/blobs/{UNKNOWN}/fetch"),
    ):
        assert await http.refuse(method, path) == (403, "operator-only")
    assert await http.refuse("POST", "/v1/blobs/collect", json={}) == (403, "operator-only")
    assert (await http.ask("GET", f"/v1/blobs/{ID}"))[1] == CONTENT
