"""Docker Hub, seen from here: can it be reached, and how many pulls are left? ``kit.hub``.

A HEAD request for a manifest of the image that Docker keeps for this purpose tells the limits and counts as no pull.

Source: Docker, "Docker Hub pull usage and limits".
"""

import httpx

from kit.lab.remote import HUB
from kit.views.models.hub import HubCard

TOKENS = "https://auth.docker.io/token"
_IMAGE = "ratelimitpreview/test"
_PATIENCE = 5.0
"""Seconds: who has no internet shall not wait long to hear it."""


def hub(*, registry: str = f"https://{HUB}", tokens: str = TOKENS) -> HubCard:
    """Whether Docker Hub answers, and its limits for who asks without a login. Never raises for being offline."""
    asked = {"service": "registry.docker.io", "scope": f"repository:{_IMAGE}:pull"}
    try:
        with httpx.Client(timeout=_PATIENCE) as client:
            token = client.get(tokens, params=asked).raise_for_status().json()["token"]
            proof = {"Authorization": f"Bearer {token}"}
            answer = client.head(f"{registry}/v2/{_IMAGE}/manifests/latest", headers=proof).raise_for_status()
    except (httpx.HTTPError, ValueError, LookupError, TypeError) as error:
        return HubCard(trouble=str(error) or type(error).__name__)
    return HubCard(answer.headers.get("ratelimit-limit", ""), answer.headers.get("ratelimit-remaining", ""))
