"""Platforms as people write them: ``linux/arm64``, ``arm64``, ``linux/arm/v7``.

Source: containerd/platforms, "Parse" and its normal forms.
"""

import re

from kit.dockerfile.errors import Wrong
from kit.dockerfile.go import quote
from kit.oci.descriptor import Platform

_SYSTEMS = ("linux", "windows", "darwin", "freebsd", "netbsd", "openbsd", "plan9", "solaris", "android", "aix", "js")
_ARCHITECTURES = (
    *("386", "amd64", "arm", "arm64", "ppc64", "ppc64le", "mips", "mipsle", "mips64", "mips64le"),
    *("riscv64", "s390x", "loong64", "wasm"),
)
_SAME = {
    "i386": ("386", ""),
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
}
_PART = re.compile(r"[A-Za-z0-9_.-]+")


def parse_platform(text: str, default: Platform) -> Platform:
    """The platform that ``text`` names; what it leaves out is ``default``'s.

    Raises:
        Wrong: no platform, in containerd's words.
    """
    if "*" in text:
        raise Wrong(f"{quote(text)}: wildcards not yet supported: invalid argument", text)
    parts = text.split("/")
    for part in parts:
        if not _PART.fullmatch(part.partition("(")[0]):
            raise Wrong(f"{quote(part)} is an invalid component of {quote(text)}: invalid argument", text)
    first = parts[0].partition("(")[0].lower()
    if len(parts) == 1:
        system = {"macos": "darwin"}.get(first, first)
        if system in _SYSTEMS:
            return Platform(system, default.architecture, default.variant)
        architecture, variant = _normal(first, "")
        if architecture in _ARCHITECTURES:
            return Platform(default.os, architecture, variant)
        raise Wrong(f"{quote(text)}: unknown operating system or architecture: invalid argument", text)
    if len(parts) > 3:
        raise Wrong(f"{quote(text)}: cannot parse platform specifier: invalid argument", text)
    architecture, variant = _normal(parts[1].lower(), parts[2].lower() if len(parts) == 3 else "")
    return Platform({"macos": "darwin"}.get(first, first), architecture, variant)


def _normal(architecture: str, variant: str) -> tuple[str, str]:
    architecture, implied = _SAME.get(architecture, (architecture, ""))
    variant = variant or implied
    if architecture == "arm64" and variant in ("8", "v8"):
        variant = ""
    elif architecture == "arm":
        variant = {"": "v7"}.get(variant, variant if variant.startswith("v") else f"v{variant}")
    elif architecture == "amd64" and variant == "v1":
        variant = ""
    return architecture, variant
