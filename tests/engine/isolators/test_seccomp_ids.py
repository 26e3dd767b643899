"""Who a process is, and what happens to its rights: the kernel's rules as values."""

import struct

import pytest

from kit.engine.isolators.supervisor import ids
from kit.engine.isolators.supervisor.ids import DOCKERS, FileRights, Ids, starting

ROOT = starting(0, 0, (), privileges=True)
BOB = starting(1000, 1000, (7,), privileges=True)


def test_root_starts_with_dockers_capabilities_and_others_with_none() -> None:
    assert ROOT.capabilities.effective == ROOT.capabilities.permitted == DOCKERS == 0xA80425FB
    assert BOB.capabilities.effective == 0
    assert BOB.capabilities.bounding == DOCKERS
    assert starting(0, 0, (), privileges=False).capabilities == ids.Capabilities()


def test_root_that_becomes_somebody_loses_its_rights() -> None:
    changed = ids.with_user(ROOT, ids.set_id(ROOT.user, 1000, True))
    assert changed.user == Ids(1000, 1000, 1000, 1000)
    assert changed.capabilities.permitted == changed.capabilities.effective == 0


def test_root_that_keeps_its_capabilities_has_them_permitted_only() -> None:
    keeping = ROOT._replace(keep_capabilities=True)
    changed = ids.with_user(keeping, ids.set_id(ROOT.user, 1000, True))
    assert (changed.capabilities.permitted, changed.capabilities.effective) == (DOCKERS, 0)


def test_a_changed_effective_id_can_be_changed_back() -> None:
    away = ids.with_user(ROOT, ids.set_three(ROOT.user, (ids.UNCHANGED, 1000, ids.UNCHANGED), True))
    assert (away.user, away.capabilities.effective) == (Ids(0, 1000, 0, 1000), 0)
    back = ids.with_user(away, ids.set_three(away.user, (ids.UNCHANGED, 0, ids.UNCHANGED), False))
    assert back.capabilities.effective == DOCKERS


@pytest.mark.parametrize(
    "change",
    [
        lambda: ids.set_id(BOB.user, 0, False),
        lambda: ids.set_real_and_effective(BOB.user, 0, ids.UNCHANGED, False),
        lambda: ids.set_three(BOB.user, (1000, 1000, 0), False),
        lambda: ids.set_capabilities(BOB, 1, 1, 0),
    ],
)
def test_somebody_can_not_become_root(change: object) -> None:
    with pytest.raises(PermissionError):
        change()  # type: ignore[operator]
    assert ids.set_for_files(BOB.user, 0, False) == BOB.user


def test_a_set_id_program_raises_and_no_new_privileges_forbids_it() -> None:
    su = FileRights(mode=0o4755)
    raised, is_raised = ids.after_execution(BOB, su)
    assert is_raised
    assert raised.user == Ids(1000, 0, 0, 0)
    assert raised.capabilities.effective == DOCKERS
    same, is_raised = ids.after_execution(BOB._replace(no_new_privileges=True), su)
    assert (same, is_raised) == (BOB._replace(no_new_privileges=True), False)


def test_a_set_group_bit_without_execution_by_group_means_nothing() -> None:
    assert ids.after_execution(BOB, FileRights(mode=0o2745, gid=5))[0].group == BOB.group
    assert ids.after_execution(BOB, FileRights(mode=0o2755, gid=5))[0].group == Ids(1000, 5, 5, 5)


def test_a_file_with_capabilities_gives_what_the_bounding_set_allows() -> None:
    value = struct.pack("<5I", 0x02000001, 1 << 13 | 1 << 21, 0, 0, 0)
    given, is_raised = ids.after_execution(BOB, FileRights(0o755, capability=value))
    assert is_raised
    assert given.capabilities.effective == 1 << 13


def test_signals_between_users() -> None:
    assert ids.may_signal(ROOT, BOB)
    assert not ids.may_signal(BOB, ROOT)
    assert ids.may_signal(BOB, BOB)
    assert not ids.may_signal(starting(0, 0, (), privileges=False), BOB)
