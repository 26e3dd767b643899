"""Who we are at a registry: what a login, or Docker's configuration, or one of its credential helpers, says.

A helper is a program ``docker-credential-NAME``; ``credHelpers`` in ``config.json`` names one for a registry,
``credsStore`` one for all.

Source: docker/cli, "config.json"; docker-credential-helpers, README.
"""

from collections.abc import Mapping

from docker.auth import AuthConfig
from docker.credentials.errors import StoreError
from docker.errors import DockerException

from kit.errors import Unavailable
from kit.oci.reference import DEFAULT_REGISTRY

_KNOWN = ("username", "password", "identitytoken")


def find_known(configuration: AuthConfig, registry: str) -> Mapping[str, str] | None:
    """``username`` and ``password``, or ``identitytoken``, for a registry; None for nothing.

    Raises:
        Unavailable: the helper that should know does not answer.
    """
    try:
        found = configuration.resolve_authconfig(None if registry == DEFAULT_REGISTRY else registry) or {}
    except (DockerException, StoreError) as error:
        raise Unavailable(f"the credential helper for {registry} does not answer: {error}") from error
    own = {str(key).lower(): str(value) for key, value in found.items() if value}
    return {key: own[key] for key in _KNOWN if key in own} or None
