"""``--change`` of commit and import: the answers of a real dockerd, written down."""

import pytest

from kit.engine.containers.changes import apply_changes
from kit.errors import Invalid
from kit.oci.config import RunConfig

RUN = RunConfig(env=("A=1",), cmd=("sh",), labels={"x": "1"}, working_dir="/w")


@pytest.mark.parametrize(
    ("changes", "key", "value"),
    [
        (["CMD a b"], "cmd", ("/bin/sh", "-c", "a b")),
        (['CMD ["a"]'], "cmd", ("a",)),
        (['ENTRYPOINT ["x"]'], "cmd", None),
        (["CMD a", 'ENTRYPOINT ["x"]'], "cmd", ("/bin/sh", "-c", "a")),
        (["ENV B=$A", "ENV C=$B"], "env", ("A=1", "B=1", "C=1")),
        (["ENV A b c"], "env", ("A=b c",)),
        (["WORKDIR /a/../b/", "WORKDIR c/"], "working_dir", "/b/c"),
        (["EXPOSE 80-81/udp 90"], "exposed_ports", ("80/udp", "81/udp", "90/tcp")),
        (["label x=2 y='3 4'"], "labels", {"x": "2", "y": "3 4"}),
        (["ONBUILD RUN x"], "on_build", ("RUN x",)),
        (['VOLUME ["/c"]', "VOLUME /a"], "volumes", ("/a", "/c")),
        (["USER 1:2"], "user", "1:2"),
        (["STOPSIGNAL SIGINT"], "stop_signal", "SIGINT"),
        (["HEALTHCHECK --interval=5s CMD x"], "healthcheck", {"Test": ["CMD-SHELL", "x"], "Interval": 5 * 10**9}),
        (["CMD a\nUSER b"], "user", "b"),
        ([], "cmd", ("sh",)),
    ],
)
def test_a_change_is_made(changes: list[str], key: str, value: object) -> None:
    assert getattr(apply_changes(RUN, changes), key) == value


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("RUN x", "run is not a valid change command"),
        ("ADD a b", "add is not a valid change command"),
        ("FOO", "foo is not a valid change command"),
        ("SHELL []", "shell is not a valid change command"),
        ("ENV A", "ENV must have two arguments"),
        ("USER", "USER requires exactly one argument"),
        ("ONBUILD FROM x", "FROM isn't allowed as an ONBUILD trigger"),
        ("# c", "file with no instructions"),
        ("ENV A=${B:?no}", 'failed to process "${B:?no}": B: no'),
        ("HEALTHCHECK FOO", 'Unknown type "FOO" in HEALTHCHECK (try CMD)'),
    ],
)
def test_a_change_is_refused_in_dockerds_words(change: str, reason: str) -> None:
    with pytest.raises(Invalid) as error:
        apply_changes(RUN, [change])
    assert str(error.value) == reason
