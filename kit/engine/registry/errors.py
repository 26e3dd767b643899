"""What can go wrong with a registry, in the words that Docker uses for it.

Clients and people search for these texts, so they are kept letter by letter where Docker has one. The family says
what to do: ``NotFound`` look at the name, ``Denied`` log in, ``Invalid`` the other side sent something unusable,
``Unavailable`` it is not there. ``Passing`` is the part of ``Unavailable`` that is worth another try.

Source: OCI distribution-spec, "Error Codes"; dockerd 20.10 for the texts.
"""

from kit.errors import Denied, Invalid, NotFound, Unavailable


class Passing(Unavailable):
    """Trouble that may be over in a moment: the same request may succeed."""


class Unreachable(Passing):
    """Nobody answered, or the connection broke: ``Get "http://…": dial tcp …: connect: connection refused``."""

    def __init__(self, method: str, url: str, reason: str) -> None:
        super().__init__(f'{method.capitalize()} "{url}": {reason}')
        self.url, self.reason = url, reason


class WrongScheme(Unreachable):
    """Somebody is there, but speaks http where we spoke https, or the other way round."""


class ServerTrouble(Passing):
    """The registry says that it is broken itself (5xx)."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(f"received unexpected HTTP status: {status} {words}".rstrip())
        self.status = status


class TooManyRequests(Unavailable):
    """The registry asks for a rest (429). Trying again at once would only prolong it."""

    def __init__(self, words: str, retry_after: str = "") -> None:
        wait = f" (it asks to wait {retry_after} seconds)" if retry_after.isdecimal() else ""
        super().__init__(f"toomanyrequests: {words}{wait}")
        self.retry_after = retry_after


class NoBasicCredentials(Denied):
    """The registry wants a user and a password, and we have none: ``docker login``."""

    def __init__(self, method: str, url: str) -> None:
        super().__init__(f'{method.capitalize()} "{url}": no basic auth credentials')


class LoginFailed(Denied):
    """The registry does not take this user and password."""


class AccessDenied(Denied):
    """Known or not, we may not do this. ``code`` is UNAUTHORIZED or DENIED."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code.lower()}: {message}")
        self.code = code


class RepositoryDenied(NotFound):
    """A pull was denied: the repository may be private, or not exist. Docker does not tell them apart, on purpose."""

    def __init__(self, name: str, cause: AccessDenied) -> None:
        super().__init__(
            f"pull access denied for {name}, repository does not exist or may require 'docker login': {cause}"
        )


class Unknown(NotFound):
    """The registry has no such repository, manifest or blob. ``code`` is the specification's word."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code.lower().replace('_', ' ')}: {message}")
        self.code = code


class ManifestNotFound(NotFound):
    """The reference names nothing in the registry."""

    def __init__(self, reference: str, cause: Unknown) -> None:
        super().__init__(f"manifest for {reference} not found: {cause}")
        self.reference = reference


class Rejected(Invalid):
    """The registry refuses what we sent: any other 4xx, in its own words."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{code.lower().replace('_', ' ')}: {message}")
        self.status, self.code = status, code


class BadAnswer(Invalid):
    """The registry answered something that can't be right; nothing of it was kept."""


class TooManyRedirects(BadAnswer):
    """A registry that sends us round and round."""

    def __init__(self, method: str, url: str, most: int) -> None:
        super().__init__(f'{method.capitalize()} "{url}": stopped after {most} redirects')


class TooLarge(BadAnswer):
    """A document that is far longer than any honest one."""

    def __init__(self, url: str, most: int) -> None:
        super().__init__(f"the answer from {url} is longer than {most} bytes, which no manifest needs")


class ForeignLayer(Invalid):
    """A layer that lives elsewhere (Windows base images): we neither fetch nor send it."""

    def __init__(self, digest: str, media_type: str) -> None:
        super().__init__(
            f"layer {digest} is foreign ({media_type}): its bytes are not in the registry, "
            "and this engine does not fetch or send layers from elsewhere"
        )
        self.digest = digest


class NoMatchingPlatform(NotFound):
    """An index without an image for the wanted machine."""

    def __init__(self, wanted: str, offered: tuple[str, ...]) -> None:
        others = f"; it has {', '.join(offered)}" if offered else ""
        super().__init__(f"no matching manifest for {wanted} in the manifest list entries{others}")
        self.wanted, self.offered = wanted, offered
