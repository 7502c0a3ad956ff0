"""Bearer tokens. Health checks need none, so that a balancer can ask without knowing secrets."""

from __future__ import annotations

import hmac
from typing import Any

from retrieval.core.errors import AuthenticationError
from retrieval.service.calls import Context, Interceptor, Run

HEALTH = "/grpc.health.v1.Health/"
_SCHEME = "bearer "


class Auth(Interceptor):
    """Refuses calls without ``authorization: Bearer <token>``."""

    def __init__(self, token: str) -> None:
        super().__init__()
        self._token = token.encode()

    async def around(self, method: str, run: Run, context: Context) -> Any:
        """Run the call if it carries the token.

        Raises:
            AuthenticationError: If the token is missing or wrong.
        """
        if not method.startswith(HEALTH) and not self._accepts(context):
            raise AuthenticationError(
                "this service needs a bearer token: send `authorization: Bearer <token>` "
                "(for the segue command, set SEGUE_TOKEN)"
            )
        return await run()

    def _accepts(self, context: Context) -> bool:
        for key, value in context.invocation_metadata() or ():
            if key == "authorization" and isinstance(value, str):
                given = value[len(_SCHEME) :] if value.lower().startswith(_SCHEME) else ""
                return hmac.compare_digest(given.encode(), self._token)
        return False
