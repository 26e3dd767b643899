"""Digests, descriptors, manifests, configs: what came from outside is checked once, and bytes are kept."""

import hashlib
import json

import pytest

from kit.errors import Invalid
from kit.oci.config import History, ImageConfig, RunConfig
from kit.oci.descriptor import DOCKER_LIST, OCI_CONFIG, OCI_LAYER_GZIP, Descriptor, Platform
from kit.oci.digest import DiffID, InvalidDigest, chain_id, digest_of, parse_digest
from kit.oci.manifest import Index, Manifest, parse_manifest

A, B = (DiffID(digest_of(letter)) for letter in (b"a", b"b"))


def test_a_digest_is_the_sha256_of_the_bytes() -> None:
    assert digest_of(b"") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("text", ["", "sha256:", "md5:" + "a" * 32, "sha256:" + "A" * 64, "a" * 64, None, 7])
def test_what_is_no_digest_is_refused(text: object) -> None:
    with pytest.raises(InvalidDigest, match="is not a digest"):
        parse_digest(text)


def test_a_chain_names_the_stack_and_not_the_layer() -> None:
    assert chain_id([]) is None
    assert chain_id([A]) == A
    assert chain_id([A, B]) == "sha256:" + hashlib.sha256(f"{A} {B}".encode()).hexdigest()
    assert chain_id([A, B]) != chain_id([B, A])


def test_a_manifest_keeps_the_bytes_that_its_digest_is_over() -> None:
    config = Descriptor(OCI_CONFIG, digest_of(b"{}"), 2)
    made = Manifest.of(config, [Descriptor(OCI_LAYER_GZIP, A, 5)])
    spaced = json.dumps(json.loads(made.raw), indent=4).encode()
    read = parse_manifest(spaced)
    assert isinstance(read, Manifest)
    assert read.raw == spaced
    assert read.digest == digest_of(spaced) != made.digest
    assert read.layers == made.layers


def test_an_index_names_platforms() -> None:
    arm = Descriptor("m", A, 1, Platform("linux", "arm64", "v8"))
    read = parse_manifest(Index.of([arm], DOCKER_LIST).raw)
    assert isinstance(read, Index)
    assert str(read.manifests[0].platform) == "linux/arm64/v8"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{}",
        b'{"schemaVersion":1,"fsLayers":[]}',
        b'{"schemaVersion":2}',
        b'{"schemaVersion":2,"config":{},"layers":[]}',
        b'{"schemaVersion":2,"config":{"digest":"sha256:x","size":1},"layers":[]}',
        b'{"schemaVersion":2,"manifests":{}}',
        b'{"schemaVersion":2,"mediaType":"text/plain"}',
    ],
)
def test_what_is_no_manifest_is_refused(raw: bytes) -> None:
    with pytest.raises(Invalid):
        parse_manifest(raw)


def test_a_config_reads_back_as_it_was_written() -> None:
    run = RunConfig(
        user="1000", env=("A=1", "B=2=3"), cmd=(), entrypoint=("/x",), labels={"k": "v"}, exposed_ports=("80/tcp",)
    )
    history = [History("RUN a"), History("ENV b", empty_layer=True), History("COPY c")]
    config = ImageConfig.of(run=run, diff_ids=[A, B], history=history, created="2026-01-01T00:00:00Z")
    assert config.run == run
    assert (config.diff_ids, config.history) == ((A, B), tuple(history))
    assert config.id == digest_of(config.raw)
    assert config.document["config"]["Cmd"] == []


def test_history_and_layers_belong_together() -> None:
    with pytest.raises(Invalid, match="tells of 1 layers in its history but names 2"):
        ImageConfig.of(diff_ids=[A, B], history=[History("RUN a")])


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"rootfs":{"diff_ids":["x"]}}', b'{"rootfs":7}'])
def test_what_is_no_config_is_refused(raw: bytes) -> None:
    with pytest.raises(Invalid):
        ImageConfig.parse(raw)


def test_a_variable_set_again_keeps_its_place() -> None:
    run = RunConfig(env=("A=1", "B=2")).with_env("A", "3").with_env("C", "4")
    assert run.env == ("A=3", "B=2", "C=4")
