"""Values as words for people: sizes, counts, digests, and names that may be hostile.

A file name is bytes that somebody else chose: it may hold terminal commands, HTML, or characters that turn the
line around. ``printable`` makes such characters visible; the HTML page escapes the rest.
"""

import unicodedata

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
"""Unicode categories that print nothing, or change how the rest prints."""
_UNITS = ("B", "kB", "MB", "GB", "TB")


def printable(text: str, limit: int = 0) -> str:
    """``text`` with every unprintable character written as an escape; its middle left out beyond ``limit``."""
    if limit and len(text) > limit:
        head = (limit - 1) // 2
        text = text[:head] + "…" + text[-(limit - 1 - head) :]
    return "".join(map(_visible, text))


def _visible(character: str) -> str:
    if unicodedata.category(character) not in _HIDDEN:
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, as os.fsdecode brings it
        return f"\\x{code - 0xDC00:02x}"
    return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(character) or (
        f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    )


def size_words(size: float) -> str:
    """Bytes as people say them, in powers of 1000: ``176 B``, ``1.7 MB``."""
    unit = 0
    while abs(size) >= 999.95 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.0f} B" if unit == 0 else f"{size:.1f} {_UNITS[unit]}"


def counted(number: int, thing: str, things: str = "") -> str:
    """``1 layer``, ``2 layers``."""
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"


def short(digest: str) -> str:
    """The first twelve hex digits, as Docker shows an ID."""
    return digest.partition(":")[2][:12] or digest[:12]


def percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "100.0 %"


def bar(value: float, most: float, width: int = 20) -> str:
    """A bar of text; anything above nothing shows at least a sliver."""
    full = round(width * value / most) if most > 0 else 0
    return "█" * full if full else ("▏" if value > 0 else "")


def seconds_words(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds // 60:.0f} min {seconds % 60:02.0f} s"
