"""Which image of an index is for this machine.

Source: OCI image-spec, image-index.md "Platform"; Go's names for operating systems and architectures.
"""

from kit.engine.registry.errors import NoMatchingPlatform
from kit.oci.descriptor import Descriptor, Platform
from kit.oci.manifest import Index

_GO_NAMES = {
    "x86_64": Platform("linux", "amd64"),
    "aarch64": Platform("linux", "arm64", "v8"),
    "armv7l": Platform("linux", "arm", "v7"),
    "armv6l": Platform("linux", "arm", "v6"),
    "i686": Platform("linux", "386"),
    "ppc64le": Platform("linux", "ppc64le"),
    "riscv64": Platform("linux", "riscv64"),
    "s390x": Platform("linux", "s390x"),
}


def platform_of(machine: str) -> Platform:
    """The platform of a machine as ``uname -m`` names it."""
    return _GO_NAMES.get(machine, Platform("linux", machine))


def parse_platform(text: str) -> Platform:
    """``linux/arm64/v8``; a missing part is ""."""
    parts = [*text.split("/"), "", ""][:3]
    return Platform(*parts) if "/" in text else Platform("linux", text)


def matches(offered: Platform, wanted: Platform) -> bool:
    """Whether an image for ``offered`` runs on ``wanted``; a variant counts only where both name one.

    An arm machine runs what was built for an older arm.
    """
    if (offered.os, offered.architecture) != (wanted.os, wanted.architecture):
        return False
    return not offered.variant or not wanted.variant or offered.variant <= wanted.variant


def choose(index: Index, wanted: Platform) -> Descriptor:
    """The manifest for ``wanted``: the exact variant if there is one, else the newest that still runs.

    Raises:
        NoMatchingPlatform: there is none; the error names those that there are.
    """
    offered = [entry for entry in index.manifests if entry.platform and entry.platform.os != "unknown"]
    fitting = [entry for entry in offered if entry.platform and matches(entry.platform, wanted)]
    if not fitting:
        raise NoMatchingPlatform(str(wanted), tuple(dict.fromkeys(str(entry.platform) for entry in offered)))
    return max(fitting, key=lambda entry: entry.platform.variant if entry.platform else "")
