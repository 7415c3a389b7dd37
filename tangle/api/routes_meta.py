"""The API about itself."""

from typing import Final

import msgspec

from tangle.api.registry import JSON, Call, NoInputs, RawReply, RouteTable

routes: Final = RouteTable("meta")


@routes.get("/v1/openapi.json", NoInputs, media_types=(JSON,))
def get_openapi(call: Call[NoInputs, None]) -> RawReply:
    """The OpenAPI 3.1 document of this API."""
    return RawReply(msgspec.json.encode(call.context.document), JSON)
