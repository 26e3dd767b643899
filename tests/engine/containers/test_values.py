"""Names, times, filters and the lent files."""

import re

import pytest

from kit.engine.containers import clock, hosts
from kit.engine.containers.filters import Filters
from kit.engine.containers.health import HEALTHY, STARTING, UNHEALTHY, Result, Verdict
from kit.engine.containers.names import InvalidName, checked, generated
from kit.engine.isolators import addresses
from kit.errors import Invalid


@pytest.mark.parametrize("name", ["x", "bad name", "-a", "", "a/b"])
def test_a_name_follows_dockers_rule(name: str) -> None:
    with pytest.raises(InvalidName) as refusal:
        checked(name)
    assert str(refusal.value) == f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"


def test_a_generated_name_is_free_and_allowed() -> None:
    taken: set[str] = set()
    for _ in range(200):
        name = generated(taken)
        assert name not in taken
        assert re.fullmatch(r"[a-z]+_[a-z]+\d*", checked(f"/{name}"))
        taken.add(name)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "Less than a second"), (1, "1 second"), (59, "59 seconds"), (60, "About a minute"), (150, "2 minutes"),
        (59 * 60, "59 minutes"), (3600, "About an hour"), (5 * 3600, "5 hours"), (3 * 86400, "3 days"),
        (20 * 86400, "2 weeks"), (90 * 86400, "3 months"), (800 * 86400, "2 years"),
    ],
)  # fmt: skip
def test_a_length_of_time_is_said_as_docker_ps_does(seconds: float, text: str) -> None:
    assert clock.duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("", 0), ("1136073600.000000001", 1136073600_000000001), ("5", 5_000000000),
        ("2006-01-01T00:00:00Z", 1136073600_000000000), ("2006-01-01T01:00:00.5+01:00", 1136073600_500000000),
    ],
)  # fmt: skip
def test_a_moment_is_read_in_seconds_or_as_a_date(text: str, moment: int) -> None:
    assert clock.parse_moment(text) == moment
    assert not moment or clock.parse_moment(clock.as_text(moment)) == moment


def test_what_is_no_moment_is_refused() -> None:
    with pytest.raises(Invalid, match="invalid time 'soon'"):
        clock.parse_moment("soon")


def test_a_container_that_never_ran_shows_gos_zero_time() -> None:
    assert clock.as_text(0) == "0001-01-01T00:00:00Z"


def test_filters_come_as_lists_or_as_objects() -> None:
    for text in ('{"label": ["a=1", "b"]}', '{"label": {"a=1": true, "b": true, "c": false}}'):
        assert Filters.parse(text).labels({"a": "1", "b": "", "x": "y"})
        assert not Filters.parse(text).labels({"a": "2", "b": ""})
    assert not Filters.parse('{"label!": ["a"]}').labels({"a": ""})
    assert Filters.parse("").one_of("status", ["running"])


@pytest.mark.parametrize("text", ["x", "[]", '{"a": 1}'])
def test_filters_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(Invalid):
        Filters.parse(text)


def test_an_unknown_filter_is_refused() -> None:
    with pytest.raises(Invalid, match="Invalid filter 'colour'"):
        Filters.parse('{"colour": ["red"]}').check("label")


def test_two_containers_never_have_one_address() -> None:
    claimed = [addresses.claim() for _ in range(50)]
    assert len({address.text for address in claimed}) == 50
    assert all(address.text.startswith("127.66.") for address in claimed)
    for address in claimed:
        address.release()


def test_the_hosts_file_names_the_container_and_the_others() -> None:
    text = hosts.hosts_text([("127.66.0.2", "me")], [("127.66.0.3", ["db", "db", "0123"])])
    assert text.startswith("127.0.0.1\tlocalhost\n")
    assert text.endswith("127.66.0.2\tme\n127.66.0.3\tdb 0123\n")


def test_the_first_good_answer_is_healthy_and_enough_bad_ones_are_not() -> None:
    verdict = Verdict()
    good, bad = Result(0, 1, 0, ""), Result(0, 1, 1, "no")
    assert not verdict.add(bad, retries=2, early=True)
    assert (verdict.status, verdict.failing) == (STARTING, 0)
    assert verdict.add(good, retries=2, early=True)
    assert verdict.status == HEALTHY
    assert not verdict.add(bad, retries=2, early=True)
    assert verdict.add(bad, retries=2, early=False)
    assert (verdict.status, verdict.failing) == (UNHEALTHY, 2)
    for _ in range(9):
        verdict.add(good, retries=2, early=False)
    assert verdict.status == HEALTHY
    assert len(verdict.to_json()["Log"]) == 5
