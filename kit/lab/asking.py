"""Asking an engine: what it refuses becomes an error of the family that says what to do next.

The SDK has one class for most refusals, and an engine that is gone shows up as an error of HTTP.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import docker
import requests

from kit.errors import Conflict, Denied, Invalid, KitError, Unavailable
from kit.lab.images import NoSuchImage

_FAMILIES: dict[int, type[KitError]] = {400: Invalid, 401: Denied, 403: Denied, 409: Conflict}


class _Addressed(Protocol):
    @property
    def docker_host(self) -> str: ...


@contextmanager
def asking(lab: _Addressed, reference: str = "") -> Iterator[None]:
    """Around calls of the SDK that are about the image ``reference``.

    Raises:
        NoSuchImage: the engine has none of that name. Invalid, Denied, Conflict: in the engine's words.
        Unavailable: the engine does not answer, or is in trouble itself.
    """
    try:
        yield
    except docker.errors.NullResource as error:
        raise Invalid("an image needs a name") from error
    except docker.errors.ImageNotFound as error:
        raise NoSuchImage(reference) from error
    except docker.errors.NotFound as error:
        if "image" in words(error).lower():
            raise NoSuchImage(reference) from error
        raise Unavailable(words(error)) from error
    except docker.errors.APIError as error:
        raise _FAMILIES.get(error.status_code or 0, Unavailable)(words(error)) from error
    except (requests.RequestException, docker.errors.StreamParseError) as error:
        raise Unavailable(f"the engine at {lab.docker_host} does not answer: {error}") from error


def words(error: docker.errors.APIError) -> str:
    """What the engine itself said."""
    return str(error.explanation or error)
