"""Requests to one registry, with the proof of who we are that it asks for.

The first request is always ``GET /v2/``: it finds out whether a registry is there, by which scheme, and what it wants
to know. From then on each request carries Basic credentials or a Bearer token for its scopes. A 401 in between (a
token that ran out, a scope more) is answered once with a new token.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from kit.engine.registry.auth import Challenge, Credentials, Token, ask_token, parse_challenges, read_token
from kit.engine.registry.distribution import LARGEST_DOCUMENT, ask_ping, refusal
from kit.engine.registry.endpoints import Endpoint, Patience
from kit.engine.registry.errors import (
    AccessDenied,
    BadAnswer,
    LoginFailed,
    NoBasicCredentials,
    Unreachable,
    WrongScheme,
)
from kit.engine.registry.messages import Answer, Ask, origin
from kit.engine.registry.transport import Stream, Transport
from kit.errors import KitError

EARLY = 10
"""Seconds before its end at which a token counts as spent: the request still has to travel."""


class Session:
    """One registry at one address. May be used by several threads; ``close`` ends it."""

    def __init__(
        self,
        endpoint: Endpoint,
        credentials: Credentials | None,
        patience: Patience,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.base = endpoint.base
        self._credentials, self._clock = credentials, clock
        self._transport = Transport(endpoint, patience)
        self._challenge: Challenge | None = None
        self._tokens: dict[frozenset[str], tuple[str, float]] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        self._transport.close()

    def hello(self) -> None:
        """Ask whether a registry is here, and remember what it wants to know.

        Raises:
            Unreachable, BadAnswer: no, and why.
        """
        ask = ask_ping(self.base)
        answer = self._transport.send(ask, most=LARGEST_DOCUMENT)
        if answer.status == 401:
            self._challenge = _strongest(parse_challenges(answer.header("www-authenticate")))
        elif answer.status >= 500 or answer.status == 429:
            raise refusal(ask, answer)
        elif answer.status == 400 and ask.url.startswith("http:"):
            raise WrongScheme(ask.method, ask.url, "client sent an HTTP request to an HTTPS server")
        elif answer.status != 200:
            raise BadAnswer(f"GET {ask.url} is answered with status {answer.status}: is a registry there?")

    def login(self) -> str:
        """Prove who we are. Returns an identity token to use from now on instead of the password, often "".

        Raises:
            LoginFailed: in the registry's words.
        """
        ask, identity = ask_ping(self.base), ""
        if self._challenge is None:
            return ""
        try:
            if self._challenge.scheme == "bearer":
                identity = self._fetch_token((), keep=True).identity
            answer = self.send(ask)
        except AccessDenied as error:
            raise LoginFailed(str(error)) from error
        if answer.status != 200:
            words = {401: "401 Unauthorized", 403: "403 Forbidden"}.get(answer.status, str(answer.status))
            raise LoginFailed(f"login attempt to {ask.url} failed with status: {words}")
        return identity

    def send(self, ask: Ask, *scopes: str) -> Answer:
        """The answer, whatever its status, with its body."""
        with self.stream(ask, *scopes) as stream:
            return stream.read(LARGEST_DOCUMENT)

    @contextmanager
    def stream(self, ask: Ask, *scopes: str) -> Iterator[Stream]:
        """The answer with its body still to be read."""
        with self._transport.stream(self._authorized(ask, scopes)) as stream:
            if not self._wants_more(stream.answer, scopes):
                yield stream
                return
        with self._transport.stream(self._authorized(ask, scopes)) as stream:
            yield stream

    def upload(self, ask: Ask, chunks: Iterable[bytes], *scopes: str) -> Answer:
        """The answer to a request whose body is ``chunks``."""
        return self._transport.upload(self._authorized(ask, scopes), chunks, most=LARGEST_DOCUMENT)

    def _authorized(self, ask: Ask, scopes: Sequence[str]) -> Ask:
        """With the Authorization that this registry, and nobody else, gets to see."""
        if self._challenge is None or origin(ask.url) != origin(self.base):
            return ask
        if self._credentials and self._credentials.registry_token:
            return ask.with_header("Authorization", f"Bearer {self._credentials.registry_token}")
        if self._challenge.scheme == "bearer":
            return ask.with_header("Authorization", f"Bearer {self._token(frozenset(scopes))}")
        if not self._credentials or not self._credentials.username:
            raise NoBasicCredentials(ask.method, ask.url)
        return ask.with_header("Authorization", self._credentials.basic)

    def _wants_more(self, answer: Answer, scopes: Sequence[str]) -> bool:
        """Whether a 401 can be answered with a fresh token, which then is there."""
        bearer = next((found for found in _challenges(answer) if found.scheme == "bearer"), None)
        if answer.status != 401 or bearer is None or (self._credentials and self._credentials.registry_token):
            return False
        self._challenge = bearer
        wanted = frozenset(scopes)
        more = bearer.parameters.get("scope", "").split()
        token = self._fetch_token(sorted(wanted.union(more)))
        self._keep(wanted, token)
        return True

    def _token(self, scopes: frozenset[str]) -> str:
        value, until = self._tokens.get(scopes, ("", 0.0))
        if value and self._clock() < until:
            return value
        with self._lock:  # the others of a transfer want the same one
            value, until = self._tokens.get(scopes, ("", 0.0))
            if value and self._clock() < until:
                return value
            return self._keep(scopes, self._fetch_token(sorted(scopes)))

    def _keep(self, scopes: frozenset[str], token: Token) -> str:
        self._tokens[scopes] = token.value, self._clock() + max(token.lifetime - EARLY, 0)
        return token.value

    def _fetch_token(self, scopes: Sequence[str], *, keep: bool = False) -> Token:
        assert self._challenge is not None
        ask = ask_token(self._challenge, scopes, self._credentials, keep=keep)
        if self.base.startswith("https:") and not ask.url.startswith("https:"):
            raise BadAnswer(f"the registry wants our password sent to {ask.url}, which anybody on the way could read")
        answer = self._transport.send(ask, most=LARGEST_DOCUMENT)
        if answer.status >= 400:
            raise refusal(ask, answer)
        return read_token(answer)


def _challenges(answer: Answer) -> list[Challenge]:
    return parse_challenges(answer.header("www-authenticate"))


def _strongest(challenges: Sequence[Challenge]) -> Challenge:
    """Bearer before Basic: a token says less about us than a password.

    Raises:
        BadAnswer: neither is offered.
    """
    for scheme in ("bearer", "basic"):
        for challenge in challenges:
            if challenge.scheme == scheme:
                return challenge
    offered = ", ".join(challenge.scheme for challenge in challenges) or "nothing"
    raise BadAnswer(f"the registry wants to know who we are, by {offered}; this engine knows Basic and Bearer")


def connect(endpoints: Sequence[Endpoint], credentials: Credentials | None, patience: Patience) -> Session:
    """A session at the first address where a registry answers.

    Raises:
        Unreachable, BadAnswer: none does. With several tries the plain one's words, as Docker gives them.
    """
    errors: list[tuple[Endpoint, KitError]] = []
    for endpoint in endpoints:
        session = Session(endpoint, credentials, patience)
        try:
            session.hello()
        except (Unreachable, BadAnswer) as error:
            session.close()
            errors.append((endpoint, error))
        except BaseException:
            session.close()
            raise
        else:
            return session
    telling = [(tried, error) for tried, error in errors if not isinstance(error, WrongScheme)] or errors
    raise next((error for tried, error in telling if tried.base.startswith("http:")), telling[0][1])
