"""A registry that answers wrong bytes, stops halfway or refuses: a clear error, and nothing is kept."""

import json
import os
import socket

import pytest

from kit.engine.registry import distribution
from kit.engine.registry.auth import Credentials
from kit.engine.registry.endpoints import Patience
from kit.engine.registry.errors import BadAnswer, ForeignLayer, NoMatchingPlatform, TooManyRequests
from kit.engine.registry.transfer import Settings, pull, push
from kit.errors import Denied, Invalid, NotFound, Unavailable
from kit.oci.descriptor import OCI_INDEX, Descriptor, Platform
from kit.oci.digest import digest_of
from kit.oci.manifest import Index, Manifest
from kit.oci.reference import parse_reference
from tests.engine.registry.conftest import cut

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def attempt(liar, store, quick):
    """Pull the liar's image and return the error; nothing may be left."""

    def once(reference="you/app:1", family=Invalid, **options):
        with pytest.raises(family) as caught:
            list(pull(parse_reference(f"{liar.name}/{reference}"), store, settings=quick, **options))
        assert store.empty
        return str(caught.value)

    return once


@pytest.fixture
def big(image):
    """The image's large layer: descriptor and bytes."""
    layer = image.manifest.layers[0]
    return layer, image.blobs[layer.digest]


def test_an_honest_answer_is_taken(liar, store, quick):
    list(pull(parse_reference(f"{liar.name}/you/app:1"), store, settings=quick))
    assert len(store.layers) == 2


def test_a_layer_of_other_bytes_is_refused(liar, big, attempt):
    layer, data = big
    wrong = data[:-1] + bytes([data[-1] ^ 1])
    liar.ways[layer.digest] = lambda handler: handler.answer(200, wrong)
    text = (
        f"filesystem layer verification failed for digest {layer.digest}: the bytes sent hash to {digest_of(wrong)}"
    )
    assert attempt() == text


def test_a_manifest_of_other_bytes_than_its_digest_is_refused(liar, attempt, make_image):
    other = make_image({"a": b"other"})
    assert "manifest verification failed for digest" in attempt(f"you/app@{other.manifest.digest}")


def test_a_manifest_that_the_registry_misnames_is_refused(liar, image, attempt, make_image):
    other = make_image().manifest.digest
    raw = image.manifest.raw
    liar.ways["/manifests/1"] = lambda handler: handler.answer(200, raw, Docker_Content_Digest=other)
    assert "manifest verification failed" in attempt()


def test_a_config_of_other_bytes_is_refused(liar, image, attempt):
    config = image.manifest.config
    liar.ways[config.digest] = lambda handler: handler.answer(200, b"x" * config.size)
    assert "image config verification failed" in attempt()


def test_a_layer_without_end_is_cut_off(liar, big, attempt):
    layer, _ = big

    def endless(handler):
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(bytes(1 << 16))
        except OSError:
            handler.close_connection = True

    liar.ways[layer.digest] = endless
    assert f"the registry sends more for blob {layer.digest} than the {layer.size} bytes it has" in attempt()


def test_a_manifest_without_end_is_cut_off(liar, attempt):
    liar.ways["/manifests/1"] = lambda handler: handler.answer(200, bytes(distribution.LARGEST_DOCUMENT + 1))
    assert f"is longer than {4 << 20} bytes, which no manifest needs" in attempt()


def test_a_config_that_claims_to_be_huge_is_not_even_fetched(liar, image, attempt):
    config = Descriptor(image.manifest.config.media_type, image.manifest.config.digest, 1 << 40)
    liar.image.manifest = Manifest.of(config, image.manifest.layers)
    assert "which no config needs" in attempt()


def test_a_download_goes_on_where_the_connection_broke(liar, big, store, quick):
    layer, data = big
    tries = []

    def broken(handler):
        tries.append(handler.headers.get("Range"))
        handler.whole = data
        (cut(700_000) if len(tries) == 1 else liar.honest)(handler)

    liar.ways[layer.digest] = broken
    told = list(pull(parse_reference(f"{liar.name}/you/app:1"), store, settings=quick))
    assert len(tries) == 2 and tries[0] is None
    start = int(tries[1].removeprefix("bytes=").removesuffix("-"))
    assert 0 < start <= 700_000
    assert any(event.status.startswith("Retrying in") for event in told)
    assert store.blobs[layer.digest] == data


def test_a_registry_that_ignores_range_is_read_from_the_start(liar, big, store, quick):
    layer, data = big
    tries = []

    def broken(handler):
        tries.append(handler.headers.get("Range"))
        handler.whole = data
        if len(tries) == 1:
            cut(700_000)(handler)
        else:
            handler.answer(200, data)

    liar.ways[layer.digest] = broken
    list(pull(parse_reference(f"{liar.name}/you/app:1"), store, settings=quick))
    assert len(tries) == 2 and store.blobs[layer.digest] == data


def test_a_registry_that_always_stops_halfway_is_given_up(liar, big, attempt, quick):
    layer, data = big
    tries = []

    def broken(handler):
        tries.append(1)
        handler.whole = data
        cut(1000, abruptly=True)(handler)

    liar.ways[layer.digest] = broken
    attempt(family=Unavailable)
    assert len(tries) == 1 + len(quick.patience.delays)


def test_a_body_that_is_shorter_than_the_descriptor_says_so(liar, big, attempt):
    layer, data = big
    liar.ways[layer.digest] = lambda handler: handler.answer(200, data[:-9])
    assert f"9 of {layer.size} bytes are missing" in attempt()


def test_a_registry_in_trouble_is_asked_again(liar, big, store, quick):
    layer, _ = big
    answers = [503, 502]

    def trouble(handler):
        if answers:
            handler.answer(answers.pop())
        else:
            liar.honest(handler)

    liar.ways[layer.digest] = trouble
    list(pull(parse_reference(f"{liar.name}/you/app:1"), store, settings=quick))
    assert not answers and len(store.layers) == 2


def test_a_registry_that_stays_in_trouble_is_given_up(liar, attempt):
    liar.ways["/manifests/1"] = lambda handler: handler.answer(503)
    assert attempt(family=Unavailable) == "received unexpected HTTP status: 503"


def test_too_many_requests_are_said_in_words_and_not_repeated(liar, attempt):
    body = json.dumps({"errors": [{"code": "TOOMANYREQUESTS", "message": "You have reached your pull rate limit."}]})
    liar.ways["/manifests/1"] = lambda handler: handler.answer(429, body.encode(), Retry_After="60")
    words = "toomanyrequests: You have reached your pull rate limit. (it asks to wait 60 seconds)"
    assert attempt(family=TooManyRequests) == words
    assert sum("manifests" in path for _, path, _ in liar.seen) == 1


def test_a_silent_registry_is_given_up(liar, attempt, store):
    liar.ways["/manifests/1"] = lambda handler: handler.rfile.read(1)
    settings = Settings(patience=Patience(delays=(), connect=2, answer=0.3))
    with pytest.raises(Unavailable, match="net/http: timeout awaiting response headers"):
        list(pull(parse_reference(f"{liar.name}/you/app:1"), store, settings=settings))


def test_redirects_in_a_circle_end(liar, attempt):
    liar.ways["/manifests/1"] = lambda handler: handler.answer(307, Location="/v2/you/app/manifests/1")
    assert attempt().endswith('/v2/you/app/manifests/1": stopped after 10 redirects')


def test_a_redirect_to_another_host_leaves_the_password_behind(liar, big, another_host, store, quick):
    layer, _ = big
    address, heard = another_host
    liar.ways["/v2/"] = lambda handler: handler.answer(401, WWW_Authenticate='Basic realm="r"')
    liar.ways[layer.digest] = lambda handler: handler.answer(307, Location=f"http://{address}/blob")
    with pytest.raises(NotFound):
        list(
            pull(
                parse_reference(f"{liar.name}/you/app:1"),
                store,
                settings=quick,
                credentials=Credentials("you", "secret"),
            )
        )
    assert any("Authorization" in headers for _, path, headers in liar.seen if path.endswith(layer.digest))
    assert heard and not any("Authorization" in headers for headers in heard)


def test_an_upload_that_leads_elsewhere_takes_no_password_along(liar, another_host, image, quick):
    address, heard = another_host
    seen = []

    def elsewhere(handler):
        seen.append(handler.headers.get("Authorization"))
        handler.answer(202, Location=f"http://{address}/upload")

    liar.ways = {
        "/v2/": lambda handler: handler.answer(401, WWW_Authenticate='Basic realm="r"'),
        "/uploads/": elsewhere,
    }
    liar.image = type(image)(image.manifest, image.config, {})  # it has nothing, so everything must be sent
    with pytest.raises(Unavailable):
        list(
            push(
                parse_reference(f"{liar.name}/you/app"),
                {"1": image},
                settings=quick,
                credentials=Credentials("you", "secret"),
            )
        )
    assert seen[0] and not any("Authorization" in headers for headers in heard)


def test_a_layer_that_unpacks_to_something_else_is_refused(liar, image, make_image, attempt):
    other = make_image({"x": b"1"}, {"y": b"2"})
    liar.image.manifest = Manifest.of(image.manifest.config, other.manifest.layers)
    liar.image.blobs |= other.blobs
    assert "layers from manifest don't match image configuration: layer sha256:" in attempt()


def test_a_manifest_with_fewer_layers_than_its_config_is_refused(liar, image, attempt):
    liar.image.manifest = Manifest.of(image.manifest.config, image.manifest.layers[:1])
    assert "layers from manifest don't match image configuration: 1 in the manifest" in attempt()


def test_a_layer_that_is_no_archive_is_refused_and_the_good_ones_are_forgotten(liar, image, attempt):
    garbage = b"\x1f\x8b" + os.urandom(1000)
    bad = Descriptor(image.manifest.layers[1].media_type, digest_of(garbage), len(garbage))
    liar.image.manifest = Manifest.of(image.manifest.config, [image.manifest.layers[0], bad])
    liar.image.blobs[bad.digest] = garbage
    assert "can't be unpacked" in attempt()


def test_a_foreign_layer_is_refused_by_name(liar, image, store, attempt, quick):
    foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    layer = image.manifest.layers[0]
    elsewhere = Descriptor(foreign, layer.digest, layer.size, urls=("https://else.example/x",))
    liar.image.manifest = Manifest.of(image.manifest.config, [elsewhere, image.manifest.layers[1]])
    assert f"layer {layer.digest} is foreign ({foreign})" in attempt(family=ForeignLayer)
    with pytest.raises(ForeignLayer):
        list(push(parse_reference(f"{liar.name}/you/app"), {"1": liar.image}, settings=quick))


def test_what_is_no_image_is_refused_by_name(liar, image, attempt):
    chart = Descriptor("application/vnd.cncf.helm.config.v1+json", image.manifest.config.digest, 2)
    liar.image.manifest = Manifest.of(chart, image.manifest.layers)
    assert attempt().endswith(
        "is no container image: its config is of type 'application/vnd.cncf.helm.config.v1+json'"
    )


def test_schema_1_is_refused_in_words(liar, attempt):
    kind = "application/vnd.docker.distribution.manifest.v1+prettyjws"
    liar.ways["/manifests/1"] = lambda handler: handler.answer(200, b'{"schemaVersion": 1}', Content_Type=kind)
    assert "old format (schema 1)" in attempt()


@pytest.mark.parametrize("body", [b"", b"{}", b"<html>", b"[]", b"\xff" * 20, b'{"schemaVersion": 2}'])
def test_a_manifest_that_is_none_is_refused(liar, attempt, body):
    liar.ways["/manifests/1"] = lambda handler: handler.answer(200, body, Content_Type="application/json")
    assert "can't be used" in attempt()


def index_of(*entries):
    return Index.of(
        [
            Descriptor(manifest.media_type, manifest.digest, len(manifest.raw), platform)
            for manifest, platform in entries
        ]
    )


def test_an_index_leads_to_the_image_for_this_machine(liar, image, make_image, store, quick):
    other = make_image({"a": b"arm"}).manifest
    index = index_of((other, Platform("linux", "arm64", "v8")), (image.manifest, Platform("linux", "amd64")))
    liar.ways["/manifests/1"] = lambda handler: handler.answer(200, index.raw, Content_Type=OCI_INDEX)
    reference = parse_reference(f"{liar.name}/you/app:1")
    told = list(pull(reference, store, settings=quick, platform=Platform("linux", "amd64")))
    assert told[-2].status == f"Digest: {index.digest}"
    assert store.images[str(reference)].manifest.raw == image.manifest.raw
    assert store.images[str(reference)].digest == index.digest


def test_an_index_without_this_machine_names_the_others(liar, image, attempt):
    index = index_of(
        (image.manifest, Platform("linux", "s390x")),
        (image.manifest, Platform("linux", "arm", "v7")),
        (image.manifest, Platform("unknown", "unknown")),
    )
    liar.ways["/manifests/1"] = lambda handler: handler.answer(200, index.raw, Content_Type=OCI_INDEX)
    assert attempt(family=NoMatchingPlatform, platform=Platform("linux", "arm64", "v8")) == (
        "no matching manifest for linux/arm64/v8 in the manifest list entries; it has linux/s390x, linux/arm/v7"
    )


def test_an_index_in_an_index_in_an_index_ends(liar, attempt):
    amd64 = Platform("linux", "amd64")
    deeper = index_of((Manifest.of(Descriptor("x", digest_of(b""), 0), []), amd64))
    for _ in range(9):
        inner = Descriptor(OCI_INDEX, deeper.digest, len(deeper.raw), amd64)
        raw = deeper.raw
        liar.ways[f"/manifests/{deeper.digest}"] = lambda handler, raw=raw: handler.answer(200, raw)
        deeper = Index.of([inner])
    liar.ways["/manifests/1"] = lambda handler: handler.answer(200, deeper.raw)
    assert "no engine reads that" in attempt(platform=amd64)


def test_another_machine_s_image_is_not_passed_off_as_the_wanted_one(liar, attempt):
    text = attempt(family=NotFound, platform=Platform("linux", "arm64"))
    assert text.endswith("does not match the specified platform: wanted linux/arm64, actual: linux/amd64")


def test_nobody_there_is_said_in_dockers_words(store, quick, image):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    words = f'Get "http://{address}/v2/": dial tcp {address}: connect: connection refused'
    with pytest.raises(Unavailable) as pulled:
        list(pull(parse_reference(f"{address}/you/app:1"), store, settings=quick))
    assert str(pulled.value) == words
    events = push(parse_reference(f"{address}/you/app"), {"1": image}, settings=quick)
    assert next(events).status.startswith("The push refers to")
    with pytest.raises(Unavailable) as pushed:
        next(events)
    assert str(pushed.value) == words


def test_a_host_without_address_is_said_in_dockers_words(store, quick):
    with pytest.raises(Unavailable, match=r'^Get "https://no\.such\.invalid/v2/": dial tcp: .*(no such host|i/o)'):
        list(pull(parse_reference("no.such.invalid/you/app:1"), store, settings=quick))


def test_a_web_server_that_is_no_registry_is_told_apart(liar, attempt):
    liar.ways["/v2/"] = lambda handler: handler.answer(404, b"<html>")
    assert "is a registry there?" in attempt()


def test_a_push_that_is_refused_says_the_registry_s_words(liar, image, quick):
    refusal = json.dumps({"errors": [{"code": "DENIED", "message": "you may not", "detail": None}]}).encode()
    liar.ways["/manifests/1"] = lambda handler: handler.answer(403, refusal)
    with pytest.raises(Denied, match=r"^denied: you may not$"):
        list(push(parse_reference(f"{liar.name}/you/app"), {"1": image}, settings=quick))


def test_a_registry_that_stores_something_else_is_caught(liar, image, quick, make_image):
    other = make_image().manifest.digest
    liar.ways["/manifests/1"] = lambda handler: handler.answer(201, Docker_Content_Digest=other)
    with pytest.raises(BadAnswer, match="stored the manifest as"):
        list(push(parse_reference(f"{liar.name}/you/app"), {"1": image}, settings=quick))


def test_a_reader_who_leaves_takes_the_half_image_with_them(liar, store, quick):
    events = pull(parse_reference(f"{liar.name}/you/app:1"), store, settings=quick)
    for event in events:
        if event.status == "Pull complete":
            break
    events.close()
    assert store.empty
