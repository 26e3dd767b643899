"""The tar format: blocks of 512 bytes to headers, and back.

A tar is a row of members: a header block, then the bytes of the file, filled up to whole blocks. The header
of 1988 holds names of 100 bytes and files of 8 GiB; what doesn't fit stands in front of it as a member of its
own: GNU's long names (types L and K), or PAX records (type x), which also carry extended attributes.

Source: POSIX.1-2024 pax, "ustar Interchange Format", "pax Header Block"; GNU tar manual, "Basic Tar Format".
"""

import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from kit.errors import Invalid

BLOCK = 512
LONGEST_RECORD = 1 << 20
"""Bytes that names and PAX records of one member may take: Go's archive/tar, so dockerd, refuses more."""
LARGEST_ID = 2**32 - 2
"""One more would be "no change" to chown(2)."""
FIELDS = struct.Struct("100s8s8s8s12s12s8sc100s8s32s32s8s8s155s12s")
REGULAR = (b"0", b"\0", b"7")
XATTR = "SCHILY.xattr."


class BadTar(Invalid):
    """Bytes that are no tar, or a tar that is cut off or contradicts itself."""


class Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


@dataclass(slots=True)
class Header:
    """One member as the tar tells it: nothing is checked yet but its form.

    ``holes`` is None, or for a sparse file the (offset, bytes) that are stored; ``size`` is then the whole
    file's and ``stored`` what the tar holds.
    """

    name: str
    type: bytes
    mode: int = 0
    uid: int = 0
    gid: int = 0
    size: int = 0
    mtime: int = 0
    target: str = ""
    device: tuple[int, int] = (0, 0)
    xattrs: tuple[tuple[str, bytes], ...] = ()
    stored: int = 0
    holes: list[tuple[int, int]] | None = None


@dataclass(slots=True)
class _Extra:
    """What stands in front of a header and belongs to it."""

    pax: dict[str, bytes] = field(default_factory=dict)
    sparse: list[bytes] = field(default_factory=list)
    name: bytes | None = None
    target: bytes | None = None


def read_exactly(source: Readable, size: int) -> bytes:
    """``size`` bytes.

    Raises:
        BadTar: ``source`` ends before.
    """
    data = source.read(size)
    if len(data) == size:
        return data
    pieces = [data]
    missing = size - len(data)
    while missing and pieces[-1]:
        pieces.append(source.read(missing))
        missing -= len(pieces[-1])
    if missing:
        raise BadTar(f"the tar ends {missing} bytes too early")
    return b"".join(pieces)


def padding(size: int) -> int:
    """Bytes that fill ``size`` up to whole blocks."""
    return -size % BLOCK


def read_header(source: Readable) -> Header | None:
    """The next member's header, with everything that stands in front of it; None at the end of the tar.

    Afterwards ``source`` stands at the member's bytes. Headers for all later members (type g) are passed over,
    as in dockerd.

    Raises:
        BadTar: no header, or one that can't be believed.
    """
    extra = _Extra()
    while block := _next_block(source):
        kind = block[156:157]
        if kind not in (b"L", b"K", b"x", b"g"):
            return _header(block, extra, source)
        record = _record(block, source)
        if kind == b"L":
            extra.name = record.partition(b"\0")[0]
        elif kind == b"K":
            extra.target = record.partition(b"\0")[0]
        elif kind == b"x":
            _read_pax(record, extra)
    return None


def _next_block(source: Readable) -> bytes | None:
    block = source.read(BLOCK)
    if not block:
        return None
    if len(block) < BLOCK:
        block += read_exactly(source, BLOCK - len(block))
    if block.count(0) == BLOCK:
        return None
    expected = block[148:156].strip(b" \0")
    unsigned = sum(block) - sum(block[148:156]) + 8 * 32
    if expected.lstrip(b"0") not in (b"%o" % unsigned, b"%o" % _signed_sum(block)):
        raise BadTar("a header's checksum is wrong: this is no tar, or it is damaged")
    return block


def _signed_sum(block: bytes) -> int:
    """The checksum that some old tars wrote: bytes taken as signed."""
    return sum(byte - 256 if byte > 127 else byte for byte in block[:148] + b" " * 8 + block[156:])


def _record(block: bytes, source: Readable) -> bytes:
    size = _number(block[124:136], "size")
    if size > LONGEST_RECORD:
        raise BadTar(f"a name or attribute record of {size} bytes is too long: the limit is {LONGEST_RECORD}")
    return read_exactly(source, size + padding(size))[:size]


def _number(text: bytes, what: str) -> int:
    """Octal digits; or, where the first bit is set, a base-256 number."""
    if text[0] & 0x80:
        value = int.from_bytes(bytes([text[0] & 0x7F]) + text[1:], "big")
        if text[0] & 0x40:
            value -= 1 << (8 * len(text) - 1)
        return value
    digits = text.split(b"\0", 1)[0].strip(b" ")
    if digits and not (digits.isdigit() and b"8" not in digits and b"9" not in digits):
        raise BadTar(f"a header has {text!r} as its {what}, which is no octal number")
    return int(digits or b"0", 8)


def _decimal(text: bytes, what: str) -> int:
    """A number of a PAX record; seconds may have a fraction, which is cut off (towards the past)."""
    match = re.fullmatch(rb"(-?)([0-9]{1,19})(\.[0-9]*)?", text)
    if not match:
        raise BadTar(f"a PAX record has {text[:40]!r} as its {what}, which is no number")
    sign, whole, fraction = match.groups()
    value = int(whole)
    return -value - bool((fraction or b"").strip(b".0")) if sign else value


def _text(data: bytes) -> str:
    return os.fsdecode(data)


def _header(block: bytes, extra: _Extra, source: Readable) -> Header:
    fields = FIELDS.unpack(block)
    name, mode, uid, gid, size, mtime, _, kind, target, magic, _, _, major, minor, prefix, tail = fields
    name, target = name.split(b"\0", 1)[0], target.split(b"\0", 1)[0]
    if magic.startswith(b"ustar\0"):
        prefix = (prefix[:131] if tail.endswith(b"tar\0") else prefix).split(b"\0", 1)[0]
        name = prefix + b"/" + name if prefix else name
    pax = extra.pax
    name = pax.get("path") or extra.name or name
    target = pax.get("linkpath") or extra.target or target
    header = Header(
        name=_text(name),
        type=kind,
        mode=_number(mode, "mode"),
        uid=_pax_number(pax, "uid", uid),
        gid=_pax_number(pax, "gid", gid),
        size=_pax_number(pax, "size", size),
        mtime=_pax_number(pax, "mtime", mtime),
        target=_text(target),
        xattrs=tuple(sorted((key[len(XATTR) :], value) for key, value in pax.items() if key.startswith(XATTR))),
    )
    if kind in (b"3", b"4"):
        header.device = (_number(major, "device number"), _number(minor, "device number"))
        if not (0 <= header.device[0] < 1 << 12 and 0 <= header.device[1] < 1 << 20):
            raise BadTar(f"{header.name!r} has device number {header.device}, which Linux does not know")
    if min(header.size, header.uid, header.gid) < 0 or b"\0" in name + target:
        raise BadTar(f"{header.name!r} has a negative number or a NUL in its header")
    if max(header.uid, header.gid) > LARGEST_ID:
        raise BadTar(f"{header.name!r} has an owner {max(header.uid, header.gid)}: Linux knows {LARGEST_ID} at most")
    if kind in REGULAR and name.endswith(b"/"):
        header.type = b"5"  # the tars of Unix version 7 had no type for directories
    header.stored = header.size
    if kind == b"S":
        _read_gnu_sparse(header, block, source)
    elif kind in REGULAR and any(key.startswith("GNU.sparse.") for key in pax):
        _read_pax_sparse(header, extra, source)
    return header


def _pax_number(pax: dict[str, bytes], key: str, text: bytes) -> int:
    return _decimal(pax[key], key) if pax.get(key) else _number(text, key)


def _read_pax(record: bytes, extra: _Extra) -> None:
    """Records are ``LENGTH KEY=VALUE`` and a line end, where LENGTH counts itself."""
    at = 0
    while at < len(record):
        digits, space, _ = record[at : at + 21].partition(b" ")
        length = int(digits) if space and digits.isdigit() else 0
        line = record[at + len(digits) + 1 : at + length]
        key, equals, value = line[:-1].partition(b"=")
        if len(digits) + 1 >= length or at + length > len(record) or line[-1:] != b"\n" or not equals or not key:
            raise BadTar("a PAX record is malformed")
        at += length
        extra.pax[_text(key)] = value
        if key in (b"GNU.sparse.offset", b"GNU.sparse.numbytes"):
            extra.sparse.append(value)


def _read_gnu_sparse(header: Header, block: bytes, source: Readable) -> None:
    """GNU's own form: four pieces in the header, more in blocks behind it."""
    numbers = _sparse_numbers(block[386:482])
    more = block[482]
    while more:
        part = read_exactly(source, BLOCK)
        numbers += _sparse_numbers(part[:504])
        more = part[504]
        if len(numbers) * 12 > LONGEST_RECORD:
            raise BadTar(f"the sparse map of {header.name!r} is too long")
    _set_holes(header, numbers, _number(block[483:495], "size"))


def _sparse_numbers(text: bytes) -> list[int]:
    fields = (text[at : at + 12] for at in range(0, len(text), 12))
    return [_number(number, "sparse map") for number in fields if number.strip(b"\0")]


def _read_pax_sparse(header: Header, extra: _Extra, source: Readable) -> None:
    """Three later forms: pairs of records, one record, or lines of digits in front of the file's bytes."""
    pax = extra.pax
    if pax.get("GNU.sparse.name"):
        header.name = _text(pax["GNU.sparse.name"])
    size = _decimal(pax.get("GNU.sparse.realsize") or pax.get("GNU.sparse.size") or b"0", "size")
    if pax.get("GNU.sparse.major") == b"1":
        numbers = _sparse_lines(header, source)
    else:
        texts = pax["GNU.sparse.map"].split(b",") if pax.get("GNU.sparse.map") else extra.sparse
        numbers = [_decimal(text, "sparse map") for text in texts]
    _set_holes(header, numbers, size)


def _sparse_lines(header: Header, source: Readable) -> list[int]:
    """The count of pieces, then offset and bytes of each, a line each, in whole blocks."""
    numbers: list[int] = []
    rest = b""
    used = 0
    while not numbers or len(numbers) < 1 + 2 * numbers[0]:
        used += BLOCK
        if used > min(LONGEST_RECORD, header.stored + padding(header.stored)):
            raise BadTar(f"the sparse map of {header.name!r} is too long")
        *lines, rest = (rest + read_exactly(source, BLOCK)).split(b"\n")
        numbers += [_decimal(line, "sparse map") for line in lines if line.strip(b"\0")]
    header.stored -= used
    return numbers[1 : 1 + 2 * numbers[0]]


def _set_holes(header: Header, numbers: list[int], size: int) -> None:
    pieces = list(zip(numbers[::2], numbers[1::2], strict=False))
    end = 0
    for offset, length in pieces:
        if offset < end or length < 0 or offset + length > size:
            raise BadTar(f"the sparse map of {header.name!r} contradicts itself")
        end = offset + length
    if len(numbers) % 2 or sum(length for _, length in pieces) != header.stored:
        raise BadTar(f"the sparse map of {header.name!r} does not fit its {header.stored} bytes")
    header.size, header.holes, header.type = size, pieces, b"0"


def write_header(header: Header) -> Iterator[bytes]:
    """The blocks of a header: PAX records where the plain block can't hold it, then the block.

    Source: what Go's archive/tar writes with FormatPAX, which is how dockerd packs layers.
    """
    name, target = os.fsencode(header.name), os.fsencode(header.target)
    pax = {XATTR.encode() + os.fsencode(key): value for key, value in header.xattrs}
    if len(name) > 100 or not name.isascii():
        pax[b"path"] = name
    if len(target) > 100 or not target.isascii():
        pax[b"linkpath"] = target
    numbers = [(b"uid", header.uid, 7), (b"gid", header.gid, 7)]
    numbers += [(b"size", header.size, 11), (b"mtime", header.mtime, 11)]
    pax |= {key: b"%d" % value for key, value, digits in numbers if not 0 <= value < 8**digits}
    if pax:
        record = b"".join(_pax_line(key, pax[key]) for key in sorted(pax))
        above, _, last = name.strip(b"/").rpartition(b"/")
        label = b"/".join(part for part in (above, b"PaxHeaders.0", last) if part)
        yield _block(Header("", b"x", size=len(record)), label, b"")
        yield record + bytes(padding(len(record)))
    yield _block(header, name, target)


def _pax_line(key: bytes, value: bytes) -> bytes:
    line = b" %b=%b\n" % (key, value)
    length = len(line) + 1
    while length != len(line) + len(str(length)):
        length = len(line) + len(str(length))
    return b"%d" % length + line


def _block(header: Header, name: bytes, target: bytes) -> bytes:
    major, minor = header.device

    def octal(value: int, digits: int) -> bytes:
        return b"%0*o\0" % (digits, value if 0 <= value < 8**digits else 0)

    def plain(text: bytes) -> bytes:
        return bytes(byte for byte in text if byte < 128)[:100]

    fields = [plain(name), octal(header.mode, 7), octal(header.uid, 7), octal(header.gid, 7)]
    fields += [octal(header.size, 11), octal(header.mtime, 11), b" " * 8, header.type, plain(target)]
    fields += [b"ustar\00000", b"", b"", octal(major, 7), octal(minor, 7), b"", b""]
    block = FIELDS.pack(*fields)
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]
