"""The root file system of the contract tests."""

from tests.contract.conftest import busybox_rootfs

__all__ = ["busybox_rootfs"]
