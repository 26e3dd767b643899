"""The values of the room: addresses, platforms, progress, pauses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.engine.registry.auth import parse_challenges
from kit.engine.registry.endpoints import Endpoint, Settings, endpoints, is_loopback, mirror_endpoint
from kit.engine.registry.errors import NoMatchingPlatform, ServerTrouble
from kit.engine.registry.events import Event, bar, human
from kit.engine.registry.platforms import choose, matches, parse_platform, platform_of
from kit.engine.registry.retry import patiently
from kit.engine.registry.transfer import Whereabouts
from kit.errors import Invalid
from kit.oci.descriptor import OCI_MANIFEST, Descriptor, Platform
from kit.oci.digest import digest_of
from kit.oci.manifest import Index


@pytest.mark.parametrize(
    ("registry", "bases"),
    [
        ("docker.io", [("https://registry-1.docker.io", True)]),
        ("quay.io", [("https://quay.io", True)]),
        ("127.0.0.1:5000", [("http://127.0.0.1:5000", False), ("https://127.0.0.1:5000", False)]),
        ("127.9.9.9", [("http://127.9.9.9", False), ("https://127.9.9.9", False)]),
        ("localhost:5000", [("http://localhost:5000", False), ("https://localhost:5000", False)]),
        ("[::1]:5000", [("http://[::1]:5000", False), ("https://[::1]:5000", False)]),
        ("lab.school:5000", [("https://lab.school:5000", False), ("http://lab.school:5000", False)]),
        ("127.0.0.1.evil.example", [("https://127.0.0.1.evil.example", True)]),
        ("localhost.example", [("https://localhost.example", True)]),
    ],
)
def test_plain_http_is_for_loopback_and_for_those_that_the_owner_names(registry, bases):
    settings = Settings(insecure=("lab.school",))
    assert endpoints(registry, settings) == [Endpoint(base, verify) for base, verify in bases]


def test_the_settings_come_from_the_environment():
    settings = Settings.of_environment(
        {
            "LAYERLAB_REGISTRY_MIRROR": "http://127.0.0.1:5000/",
            "LAYERLAB_INSECURE_REGISTRIES": "lab.school, other:5000,",
        }
    )
    assert settings.mirror == "http://127.0.0.1:5000" and settings.insecure == ("lab.school", "other:5000")
    assert Settings.of_environment({}) == Settings()


@pytest.mark.parametrize(
    ("mirror", "endpoint"),
    [
        ("127.0.0.1:5000", Endpoint("http://127.0.0.1:5000", False)),
        ("mirror.school", Endpoint("https://mirror.school", True)),
    ],
)
def test_a_mirror_is_for_docker_hub_alone(mirror, endpoint):
    settings = Settings.of_environment({"LAYERLAB_REGISTRY_MIRROR": mirror})
    assert mirror_endpoint("docker.io", settings) == endpoint
    assert mirror_endpoint("quay.io", settings) is None and mirror_endpoint("docker.io", Settings()) is None


def test_a_mirror_that_is_no_address_is_refused():
    with pytest.raises(Invalid, match="LAYERLAB_REGISTRY_MIRROR"):
        Settings.of_environment({"LAYERLAB_REGISTRY_MIRROR": "file:///tmp"})


@pytest.mark.parametrize("name", ["", ":5000", "0.0.0.0:5000", "[::1", "127.0.0", "128.0.0.1"])
def test_what_is_not_surely_this_machine_is_not_loopback(name):
    assert is_loopback(name) == (name == "[::1")


def index(*platforms: str) -> Index:
    return Index.of(Descriptor(OCI_MANIFEST, digest_of(text.encode()), 1, parse_platform(text)) for text in platforms)


@pytest.mark.parametrize(
    ("offered", "wanted", "chosen"),
    [
        (("linux/arm64/v8", "linux/amd64"), "linux/amd64", "linux/amd64"),
        (("linux/arm64",), "linux/arm64/v8", "linux/arm64"),
        (("linux/arm/v5", "linux/arm/v6", "linux/arm/v7"), "linux/arm/v6", "linux/arm/v6"),
        (("linux/arm/v5", "linux/arm/v6"), "linux/arm/v7", "linux/arm/v6"),
        (("windows/amd64", "linux/amd64"), "linux/amd64", "linux/amd64"),
    ],
)
def test_the_newest_image_that_runs_is_chosen(offered, wanted, chosen):
    assert choose(index(*offered), parse_platform(wanted)).platform == parse_platform(chosen)


def test_what_does_not_run_is_not_chosen():
    with pytest.raises(NoMatchingPlatform, match=r"no matching manifest for linux/arm/v6 .*; it has linux/arm/v7"):
        choose(index("linux/arm/v7"), Platform("linux", "arm", "v6"))
    assert not matches(Platform("windows", "amd64"), Platform("linux", "amd64"))


def test_machines_have_gos_names():
    assert str(platform_of("x86_64")) == "linux/amd64" and str(platform_of("aarch64")) == "linux/arm64/v8"
    assert parse_platform("arm64") == Platform("linux", "arm64")


@pytest.mark.parametrize(
    ("current", "total", "text"),
    [
        (33280, 3000000, "[>                                                  ]  33.28kB/3MB"),
        (512, 3000, "[========>                                          ]     512B/3kB"),
        (2753024, 3000000, "[=============================================>     ]  2.753MB/3MB"),
        (3, 3, "[==================================================>]       3B/3B"),
    ],
)
def test_progress_is_drawn_as_dockerd_draws_it(current, total, text):
    assert bar(current, total) == text


def test_sizes_have_four_digits():
    assert [human(size) for size in (0, 999, 1000, 50_946_134, 12_930_000_000)] == [
        "0B",
        "999B",
        "1kB",
        "50.95MB",
        "12.93GB",
    ]


def test_an_event_is_dockers_jsonmessage():
    assert Event("Pushed", "2ed31ad7f7e4").to_json() == {
        "status": "Pushed",
        "progressDetail": {},
        "id": "2ed31ad7f7e4",
    }
    assert Event("Digest: x").to_json() == {"status": "Digest: x"}
    counted = Event("Downloading", "ab", 1, 2).to_json()
    assert counted["progressDetail"] == {"current": 1, "total": 2} and counted["progress"].startswith("[====")


def test_only_passing_trouble_is_worth_another_try():
    waited, tries = [], []

    def works_the_third_time() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise ServerTrouble(503, "")
        return "there"

    assert patiently(works_the_third_time, (1, 2, 4), waited.append) == "there" and waited == [1, 2]
    with pytest.raises(Invalid):
        patiently(lambda: (_ for _ in ()).throw(Invalid("no")), (1, 2), waited.append)
    assert waited == [1, 2]


def test_the_latest_places_of_a_blob_are_remembered(documents):
    places, digest = Whereabouts(documents), digest_of(b"")
    for name in ("a", "b", "c", "a", "d", "e"):
        places.add("r", digest, name)
    assert places.of("r", digest) == ["e", "d", "a", "c"]
    assert places.of("other", digest) == []


@given(st.text())
def test_no_header_breaks_the_reader_of_challenges(header):
    for challenge in parse_challenges(header):
        assert challenge.scheme == challenge.scheme.lower() and challenge.scheme
