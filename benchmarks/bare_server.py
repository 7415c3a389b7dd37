"""A server that does nothing, as a limit for those that do: ``python -m benchmarks.bare_server PORT``."""

import sys

import anyio
from aiohttp import web


def main(port: int) -> None:
    """Serve one route, which answers as many bytes as a status answer has."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=b"x" * 1_000, content_type="application/json")

    app = web.Application()
    app.router.add_get("/", answer)
    app.router.add_post("/", answer)

    async def run() -> None:
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await anyio.sleep_forever()

    anyio.run(run, backend_options={"use_uvloop": True})


if __name__ == "__main__":
    main(int(sys.argv[1]))
