"""What is asked of a registry and what it answers, as values.

An ``Ask`` is one HTTP request, an ``Answer`` its response with a body small enough to hold. Everything that the
protocol decides (where a redirect leads, who may see the credentials, where an upload goes on) is decided here on
values; ``transport`` only carries them.

Source: RFC 9110; OCI distribution-spec.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode, urljoin, urlsplit, urlunsplit

from kit.engine.registry.errors import BadAnswer

REDIRECTS = (301, 302, 303, 307, 308)
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Ask:
    """One request. ``body`` is small; a blob's bytes travel beside the Ask."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def with_header(self, name: str, value: str) -> "Ask":
        """The same request with one more header."""
        return replace(self, headers={**self.headers, name: value})


@dataclass(frozen=True)
class Answer:
    """One response. Header names are lower-case; a repeated header is one value joined by commas."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    def header(self, name: str) -> str:
        """The value of a header, "" when it is absent."""
        return self.headers.get(name, "")


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port: who gets a request to ``url``."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or PORTS.get(parts.scheme, 0)


def resolved(url: str, location: str) -> str:
    """``location``, as an answer from ``url`` names it: absolute, or relative to there.

    Raises:
        BadAnswer: it leads to something that is not HTTP.
    """
    target = urljoin(url, location)
    if urlsplit(target).scheme not in PORTS or not urlsplit(target).hostname:
        raise BadAnswer(f"the registry sends us on to {location!r}, which is no address for HTTP")
    return target


def redirected(ask: Ask, answer: Answer) -> Ask | None:
    """The request that a redirect asks for; None when ``answer`` is not one.

    Credentials stay behind when the new place belongs to somebody else.

    Raises:
        BadAnswer: from https back to http, or to something that is not HTTP.
    """
    if answer.status not in REDIRECTS or not answer.header("location"):
        return None
    target = resolved(ask.url, answer.header("location"))
    if ask.url.startswith("https:") and not target.startswith("https:"):
        raise BadAnswer(f"the registry sends us from https on to {target}, which anybody on the way could read")
    keep = origin(ask.url) == origin(target)
    headers = {name: value for name, value in ask.headers.items() if keep or name.lower() != "authorization"}
    return replace(ask, url=target, headers=headers)


def with_query(url: str, *pairs: tuple[str, str]) -> str:
    """``url`` with more query words, after those that it has."""
    parts = urlsplit(url)
    words = "&".join(word for word in (parts.query, urlencode(pairs)) if word)
    return urlunsplit(parts._replace(query=words))
