"""Who we are, told to a registry: the messages alone, and real registries that ask."""

import base64
import json

import pytest

from kit.engine.registry.auth import (
    Challenge,
    Credentials,
    ask_token,
    parse_challenges,
    read_token,
    scope,
)
from kit.engine.registry.errors import BadAnswer, LoginFailed
from kit.engine.registry.messages import Answer, Ask, redirected
from kit.engine.registry.transfer import Registry, Settings, Whereabouts, pull, push
from kit.errors import Denied, Invalid, NotFound
from kit.oci.reference import parse_reference

pytestmark = pytest.mark.timeout(60)

YOU = Credentials("you", "secret")
BEARER = Challenge("bearer", {"realm": "https://auth.example/token", "service": "registry.example"})


@pytest.mark.parametrize(
    ("header", "challenges"),
    [
        ('Basic realm="a \\"quoted\\" one"', [Challenge("basic", {"realm": 'a "quoted" one'})]),
        (
            'Bearer realm="https://a/t",service=s,scope="repository:x:pull,push"',
            [Challenge("bearer", {"realm": "https://a/t", "service": "s", "scope": "repository:x:pull,push"})],
        ),
        (
            'Negotiate, Bearer realm = "r", error="invalid_token", Basic realm=b',
            [
                Challenge("negotiate"),
                Challenge("bearer", {"realm": "r", "error": "invalid_token"}),
                Challenge("basic", {"realm": "b"}),
            ],
        ),
        ("", []),
        (", ,,", []),
    ],
)
def test_challenges_are_read(header, challenges):
    found = parse_challenges(header)
    assert found[: len(challenges)] == challenges


@pytest.mark.parametrize("header", ['Bearer realm="open', "Bearer =,=,=", "\x00\xff", '"' * 1000, "Basic " * 500])
def test_a_header_that_can_not_be_read_is_no_accident(header):
    parse_challenges(header)


def test_without_credentials_the_token_is_asked_for_by_name_of_the_service_and_scopes():
    ask = ask_token(BEARER, [scope("you/app", "pull"), scope("a/b", "pull", "push")], None)
    assert ask == Ask(
        "GET",
        "https://auth.example/token?service=registry.example"
        "&scope=repository%3Ayou%2Fapp%3Apull&scope=repository%3Aa%2Fb%3Apull%2Cpush",
    )


def test_a_password_is_shown_to_the_token_server():
    ask = ask_token(BEARER, [], YOU, keep=True)
    assert ask.headers["Authorization"] == YOU.basic
    assert "account=you" in ask.url and "offline_token=true" in ask.url


def test_an_identity_token_is_used_instead_of_the_password():
    ask = ask_token(BEARER, [scope("you/app", "pull")], Credentials("you", "", identity_token="again"))
    assert ask.method == "POST" and "Authorization" not in ask.headers
    assert b"grant_type=refresh_token" in ask.body and b"refresh_token=again" in ask.body


def test_a_challenge_without_a_place_to_ask_is_refused():
    with pytest.raises(BadAnswer, match="names no place to get it"):
        ask_token(Challenge("bearer", {"realm": "file:///etc/passwd"}), [], YOU)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"token": 7}', b'{"token": "x", "expires_in": "soon"}', b"\xff"]
)
def test_an_answer_without_a_token_is_refused(body):
    with pytest.raises(BadAnswer, match=r"token"):
        read_token(Answer(200, {}, body))


def test_a_token_has_both_names_and_a_shortest_life():
    token = read_token(Answer(200, {}, b'{"access_token": "x", "expires_in": 5, "refresh_token": "y"}'))
    assert (token.value, token.lifetime, token.identity) == ("x", 60, "y")


def test_secrets_do_not_show_in_a_repr():
    assert "secret" not in repr(Credentials("you", "secret", "secret", "secret"))


@pytest.mark.parametrize(
    ("data", "credentials"),
    [
        ({}, None),
        ({"username": "", "password": ""}, None),
        ({"username": "you", "password": "secret", "serveraddress": "x"}, YOU),
        ({"Username": "you", "Password": "secret", "ServerAddress": "x"}, YOU),
        ({"auth": base64.b64encode(b"you:secret").decode()}, YOU),
        ({"identitytoken": "again"}, Credentials(identity_token="again")),
        ({"registrytoken": "ready"}, Credentials(registry_token="ready")),
    ],
)
def test_what_docker_sends_as_credentials_is_read(data, credentials):
    header = base64.urlsafe_b64encode(json.dumps(data).encode()).decode()
    assert Credentials.of_header(header) == Credentials.of_header(header.rstrip("=")) == credentials


@pytest.mark.parametrize("header", ["e30=", ""])
def test_no_credentials_are_none(header):
    assert Credentials.of_header(header) is None


@pytest.mark.parametrize("header", ["!", "bm8=", "W10="])
def test_credentials_that_can_not_be_read_are_refused(header):
    with pytest.raises(Invalid, match="X-Registry-Auth"):
        Credentials.of_header(header)


@pytest.mark.parametrize(
    ("target", "kept"),
    [
        ("http://r:5000/v2/else", True),
        ("/v2/else", True),
        ("http://r:5001/v2/else", False),
        ("https://r:5000/v2/else", False),
        ("http://r.evil:5000/v2/else", False),
    ],
)
def test_credentials_stay_with_the_registry_that_they_are_for(target, kept):
    ask = Ask("GET", "http://r:5000/v2/x", {"Authorization": "Basic x", "Range": "bytes=5-"})
    onward = redirected(ask, Answer(307, {"location": target}))
    assert onward and ("Authorization" in onward.headers) == kept and onward.headers["Range"] == "bytes=5-"


@pytest.mark.parametrize("target", ["http://r/v2/x", "file:///etc/passwd", "ftp://r/"])
def test_a_redirect_to_somewhere_unsafe_is_refused(target):
    with pytest.raises(BadAnswer, match="sends us"):
        redirected(Ask("GET", "https://r/v2/"), Answer(302, {"location": target}))


# ---- real registries


def test_with_the_password_an_image_travels_both_ways(basic_registry, image, store, quick):
    name = parse_reference(f"{basic_registry}/you/app")
    list(push(name, {"1": image}, credentials=YOU, settings=quick))
    list(pull(name.with_tag("1"), store, credentials=YOU, settings=quick))
    assert set(store.layers) == set(image.diff_ids)


def test_without_credentials_docker_s_words_say_so(basic_registry, image, store, quick):
    name = parse_reference(f"{basic_registry}/you/app:1")
    with pytest.raises(Denied) as pulled:
        list(pull(name, store, settings=quick))
    assert str(pulled.value) == f'Get "http://{basic_registry}/v2/you/app/manifests/1": no basic auth credentials'
    with pytest.raises(Denied, match="no basic auth credentials"):
        list(push(name, {"1": image}, settings=quick))


def test_a_wrong_password_is_unauthorized(basic_registry, store, quick):
    name = parse_reference(f"{basic_registry}/you/app:1")
    with pytest.raises(Denied) as caught:
        list(pull(name, store, credentials=Credentials("you", "wrong"), settings=quick))
    assert str(caught.value) == "unauthorized: authentication required" and store.empty


def test_login_by_password(basic_registry, registry, quick):
    with Registry(basic_registry, YOU, settings=quick) as client:
        assert client.login() == ""
    with Registry(registry, YOU, settings=quick) as client:
        assert client.login() == ""
    with (
        Registry(basic_registry, Credentials("you", "wrong"), settings=quick) as client,
        pytest.raises(LoginFailed) as caught,
    ):
        client.login()
    assert str(caught.value) == f"login attempt to http://{basic_registry}/v2/ failed with status: 401 Unauthorized"


def test_with_tokens_an_image_travels_both_ways(token_realm, image, store, quick):
    name = parse_reference(f"{token_realm[0]}/you/app")
    list(push(name, {"1": image}, credentials=YOU, settings=quick))
    list(pull(name.with_tag("1"), store, credentials=YOU, settings=quick))
    assert set(store.layers) == set(image.diff_ids)


def test_one_token_serves_a_whole_push(token_realm, make_image, quick):
    registry, issuer = token_realm
    image = make_image(*({"a": bytes([number])} for number in range(6)))
    before = len(issuer.asked)
    list(push(parse_reference(f"{registry}/you/one"), {"1": image}, credentials=YOU, settings=quick))
    assert len(issuer.asked) - before == 1


def test_a_mount_asks_for_a_token_that_reads_the_neighbour(token_realm, image, documents, quick):
    registry, issuer = token_realm
    places = Whereabouts(documents)
    first, second = parse_reference(f"{registry}/you/from"), parse_reference(f"{registry}/you/to")
    list(push(first, {"1": image}, credentials=YOU, settings=quick, whereabouts=places))
    told = list(push(second, {"1": image}, credentials=YOU, settings=quick, whereabouts=places))
    assert [event.status for event in told].count("Mounted from you/from") == 2
    assert any("repository:you/from:pull" in ask["query"].get("scope", []) for ask in issuer.asked)


def test_someone_elses_repository_is_denied(token_realm, image, store, quick):
    registry, _ = token_realm
    with pytest.raises(Denied) as pushed:
        list(push(parse_reference(f"{registry}/other/app"), {"1": image}, credentials=YOU, settings=quick))
    assert str(pushed.value) == "denied: requested access to the resource is denied"
    with pytest.raises(NotFound) as pulled:
        list(pull(parse_reference(f"{registry}/other/app:1"), store, credentials=YOU, settings=quick))
    assert str(pulled.value) == (
        f"pull access denied for {registry}/other/app, repository does not exist or may require 'docker login': "
        "denied: requested access to the resource is denied"
    )


def test_a_wrong_password_is_refused_by_the_token_server(token_realm, image, quick):
    wrong = Credentials("you", "wrong")
    with Registry(token_realm[0], wrong, settings=quick) as client, pytest.raises(LoginFailed) as caught:
        client.login()
    assert str(caught.value) == "unauthorized: incorrect username or password"
    with pytest.raises(Denied, match="unauthorized: incorrect username or password"):
        list(push(parse_reference(f"{token_realm[0]}/you/app"), {"1": image}, credentials=wrong, settings=quick))


def test_a_login_gives_an_identity_token_that_logs_in_later(token_realm, image, quick):
    with Registry(token_realm[0], YOU, settings=quick) as client:
        identity = client.login()
    assert identity == "you-again"
    later = Credentials("you", identity_token=identity)
    list(push(parse_reference(f"{token_realm[0]}/you/later"), {"1": image}, credentials=later, settings=quick))


def test_a_ready_token_is_used_as_it_is(token_realm, image, quick):
    registry, issuer = token_realm
    ready = Credentials(registry_token=issuer.token("you", ["repository:you/ready:pull,push"]))
    before = len(issuer.asked)
    list(push(parse_reference(f"{registry}/you/ready"), {"1": image}, credentials=ready, settings=quick))
    assert len(issuer.asked) == before


def test_a_token_that_ran_out_is_renewed_within_a_push(token_realm, make_image, quick):
    registry, issuer = token_realm
    issuer.not_after = -3600  # dead on arrival, though the answer says that it lives
    before = len(issuer.asked)
    try:
        with pytest.raises(Denied):
            list(push(parse_reference(f"{registry}/you/old"), {"1": make_image()}, credentials=YOU, settings=quick))
    finally:
        issuer.not_after = 300
    assert len(issuer.asked) - before == 2  # one, one more, then the registry's word counts
    list(push(parse_reference(f"{registry}/you/old"), {"1": make_image()}, credentials=YOU, settings=quick))


def test_a_mirror_never_sees_the_credentials_for_docker_hub(liar, store, quick):
    realm = f'Bearer realm="http://{liar.name}/token"'
    liar.ways["/v2/"] = lambda handler: handler.answer(401, WWW_Authenticate=realm)
    liar.ways["/token"] = lambda handler: handler.answer(200, b'{"token": "for anybody"}')
    settings = Settings(mirror=f"http://{liar.name}", patience=quick.patience)
    list(pull(parse_reference("hello"), store, credentials=YOU, settings=settings))
    sent = {headers.get("Authorization") for _, _, headers in liar.seen}
    assert sent == {None, "Bearer for anybody"}
