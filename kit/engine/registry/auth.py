"""Who we are, told to a registry: Basic, or Bearer with a token from somebody else.

A registry that wants to know who asks answers 401 with a challenge. Basic: send user and password with each request.
Bearer: fetch a token for a *scope* (``repository:you/app:pull,push``) from the address in the challenge, where the
password, or an identity token from an earlier login, is the proof; then send the token with each request.

Here are only the messages. Source: RFC 9110 section 11; the "Docker Registry v2 authentication" pages of CNCF
Distribution (token, oauth, scope).
"""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from kit.engine.registry.errors import BadAnswer
from kit.engine.registry.messages import Answer, Ask, with_query
from kit.errors import Invalid

CLIENT = "layerlab"
SHORTEST_LIFE = 60
"""Seconds that a token lives when the answer does not say; Distribution's token page names it."""

_SCHEME = re.compile(r"[\s,]*([A-Za-z0-9!#$%&'*+.^_`|~-]+)(?=\s|,|$)")
_PARAMETER = re.compile(r'[\s,]*([A-Za-z0-9!#$%&\'*+.^_`|~-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))')


@dataclass(frozen=True)
class Challenge:
    """What a 401 asks for. ``scheme`` is lower-case."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def parse_challenges(header: str) -> list[Challenge]:
    """The challenges of a WWW-Authenticate header, in order. What can't be read is left out."""
    found: list[tuple[str, dict[str, str]]] = []
    at = 0
    while at < len(header):
        parameter = _PARAMETER.match(header, at)
        if parameter and found:
            name, quoted, plain = parameter.groups()
            found[-1][1][name.lower()] = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
        elif scheme := _SCHEME.match(header, at):
            found.append((scheme[1].lower(), {}))
            parameter = scheme
        at = parameter.end() if parameter else at + 1
    return [Challenge(scheme, parameters) for scheme, parameters in found]


def find_challenge(answer: Answer, scheme: str) -> Challenge | None:
    """The challenge of that scheme in an answer."""
    challenges = parse_challenges(answer.header("www-authenticate"))
    return next((challenge for challenge in challenges if challenge.scheme == scheme), None)


@dataclass(frozen=True)
class Credentials:
    """How to prove who we are: user and password, or an identity token from an earlier login, or a ready token."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)

    @classmethod
    def of_json(cls, data: Mapping[str, Any]) -> "Credentials | None":
        """What Docker's clients send (AuthConfig), in letters of any case, as in Go; None when it says nothing."""
        data = {key.lower(): value for key, value in data.items()}
        username, password = str(data.get("username") or ""), str(data.get("password") or "")
        if not username and data.get("auth"):
            username, password = _user_and_password(str(data["auth"]))
        found = cls(username, password, str(data.get("identitytoken") or ""), str(data.get("registrytoken") or ""))
        return found if found != cls() else None

    @classmethod
    def of_header(cls, header: str) -> "Credentials | None":
        """What stands in ``X-Registry-Auth``: base64 of an AuthConfig.

        Raises:
            Invalid: it can't be read.
        """
        try:
            padded = header.replace("-", "+").replace("_", "/") + "=" * (-len(header) % 4)
            data = json.loads(base64.b64decode(padded, validate=True) or b"{}")
        except (ValueError, binascii.Error) as error:
            raise Invalid(f"X-Registry-Auth is not base64 of JSON: {error}") from error
        if not isinstance(data, dict):
            raise Invalid("X-Registry-Auth must hold a JSON object")
        return cls.of_json(data)

    @property
    def basic(self) -> str:
        """The Authorization header of the Basic scheme."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


def _user_and_password(auth: str) -> tuple[str, str]:
    try:
        username, _, password = base64.b64decode(auth).decode().partition(":")
    except (ValueError, binascii.Error) as error:
        raise Invalid("the 'auth' of the credentials is not base64 of user:password") from error
    return username, password


@dataclass(frozen=True)
class Token:
    """A Bearer token. ``lifetime`` in seconds from now; ``identity`` logs in again later, "" when none was given."""

    value: str = field(repr=False)
    lifetime: int = SHORTEST_LIFE
    identity: str = field(default="", repr=False)


def scope(repository: str, *actions: str) -> str:
    """``repository:you/app:pull,push``"""
    return f"repository:{repository}:{','.join(actions)}"


def ask_token(
    challenge: Challenge, scopes: Iterable[str], credentials: Credentials | None, *, keep: bool = False
) -> Ask:
    """The request for a token with ``scopes``. With ``keep`` it asks for an identity token, too (a login).

    Raises:
        BadAnswer: the challenge names no place to ask.
    """
    realm, service = challenge.parameters.get("realm", ""), challenge.parameters.get("service", "")
    if not realm.startswith(("http://", "https://")):
        raise BadAnswer(f"the registry wants a token but names no place to get it (realm {realm!r})")
    wanted = list(scopes)
    if credentials and credentials.identity_token:
        form = {"grant_type": "refresh_token", "refresh_token": credentials.identity_token, "client_id": CLIENT}
        form |= {"service": service, "scope": " ".join(wanted)}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return Ask("POST", realm, headers, urlencode(form).encode())
    url = with_query(realm, *[("service", service)] * bool(service), *[("scope", word) for word in wanted])
    if not credentials or not credentials.username:
        return Ask("GET", url)
    url = with_query(url, ("account", credentials.username))
    if keep:
        url = with_query(url, ("offline_token", "true"), ("client_id", CLIENT))
    return Ask("GET", url, {"Authorization": credentials.basic})


def read_token(answer: Answer) -> Token:
    """The token in a token server's good answer.

    Raises:
        BadAnswer: there is none.
    """
    try:
        data = json.loads(answer.body)
        value = data.get("token") or data.get("access_token")
        lifetime = int(data.get("expires_in") or SHORTEST_LIFE)
    except (ValueError, TypeError, AttributeError) as error:
        raise BadAnswer(f"the token server's answer can't be read: {error}") from error
    if not isinstance(value, str) or not value:
        raise BadAnswer("authorization server did not include a token in the response")
    return Token(value, max(lifetime, SHORTEST_LIFE), str(data.get("refresh_token") or ""))
