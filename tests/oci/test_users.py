"""USER → uid, gid, groups."""

import pytest

from kit.oci.users import Account, UnknownUser, resolve

PASSWD = """\
root:x:0:0:root:/root:/bin/sh
postgres:x:70:71:PostgreSQL:/var/lib/postgresql:/bin/sh
# a comment
broken
second:x:70:99::/elsewhere:
"""
GROUP = """\
root:x:0:
wheel:x:10:root,postgres
postgres:x:71:
ssl:x:200:postgres
"""


@pytest.mark.parametrize(
    ("spec", "account"),
    [
        ("", Account(0, 0, (10,), "/root")),
        ("root", Account(0, 0, (10,), "/root")),
        ("postgres", Account(70, 71, (10, 200), "/var/lib/postgresql")),
        ("70", Account(70, 71, (10, 200), "/var/lib/postgresql")),
        ("postgres:wheel", Account(70, 10, (), "/var/lib/postgresql")),
        ("postgres:4242", Account(70, 4242, (), "/var/lib/postgresql")),
        ("1000", Account(1000, 0, (), "/")),
        ("1000:1000", Account(1000, 1000, (), "/")),
        (":wheel", Account(0, 10, (), "/root")),
    ],
)
def test_a_user_is_looked_up_in_the_containers_own_files(spec: str, account: Account) -> None:
    assert resolve(spec, PASSWD, GROUP) == account


def test_an_image_without_passwd_has_numbers_only() -> None:
    assert resolve("", "", "") == Account(0, 0, (), "/")
    assert resolve("5:6", "", "") == Account(5, 6, (), "/")


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("nobody", "unable to find user nobody: no matching entries in passwd file"),
        ("0:staff", "unable to find group staff: no matching entries in group file"),
        ("2147483648", "uids and gids must be in range 0-2147483647"),
        ("-1", "uids and gids must be in range 0-2147483647"),
    ],
)
def test_somebody_unknown_is_refused_in_runcs_words(spec: str, text: str) -> None:
    with pytest.raises(UnknownUser) as refusal:
        resolve(spec, PASSWD, GROUP)
    assert str(refusal.value) == text


def test_further_groups_come_by_name_or_number() -> None:
    assert resolve("postgres:postgres", PASSWD, GROUP, extra_groups=["ssl", "4000"]).groups == (200, 4000)
    with pytest.raises(UnknownUser, match="Unable to find group nope"):
        resolve("", PASSWD, GROUP, extra_groups=["nope"])
