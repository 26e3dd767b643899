"""The root file system and the runner of the contract tests."""

from tests.contract.conftest import busybox_rootfs, runner

__all__ = ["busybox_rootfs", "runner"]
