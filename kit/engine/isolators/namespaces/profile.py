"""Docker's default seccomp profile, as a BPF program.

Docker lists what is allowed; this is its complement: what a container with Docker's capabilities is refused,
by number. ``io_uring`` is refused as newer Docker does. Calls newer than the table, and those of another
architecture, do not exist here (ENOSYS), so that programs fall back to what they used before.

Source: moby, profiles/seccomp/default.json (20.10); seccomp(2); the kernel's unistd tables.
"""

import errno
import platform
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

# Name, then its number on x86_64, i386, aarch64. All answer EPERM.
_REFUSED = """
_sysctl             156  149    -
acct                163   51   89
add_key             248  286  217
afs_syscall         183  137    -
bdflush               -  134    -
bpf                 321  357  280
break                 -   17    -
clock_settime       227  264  112
clock_settime64       -  404    -
create_module       174  127    -
delete_module       176  129  106
fanotify_init       300  338  262
finit_module        313  350  273
fsconfig            431  431  431
fsmount             432  432  432
fsopen              430  430  430
fspick              433  433  433
ftime                 -   35    -
get_kernel_syms     177  130    -
get_mempolicy       239  275  236
getpmsg             181  188    -
gtty                  -   32    -
idle                  -  112    -
init_module         175  128  105
io_uring_enter      426  426  426
io_uring_register   427  427  427
io_uring_setup      425  425  425
ioperm              173  101    -
iopl                172  110    -
kcmp                312  349  272
kexec_file_load     320    -  294
kexec_load          246  283  104
keyctl              250  288  219
lock                  -   53    -
lookup_dcookie      212  253   18
mbind               237  274  235
migrate_pages       256  294  238
mount               165   21   40
mount_setattr       442  442  442
move_mount          429  429  429
move_pages          279  317  239
mpx                   -   56    -
name_to_handle_at   303  341  264
nfsservctl          180  169   42
nice                  -   34    -
oldfstat              -   28    -
oldlstat              -   84    -
oldolduname           -   59    -
oldstat               -   18    -
olduname              -  109    -
open_by_handle_at   304  342  265
open_tree           428  428  428
perf_event_open     298  336  241
pidfd_getfd         438  438  438
pivot_root          155  217   41
pkey_alloc          330  381  289
pkey_free           331  382  290
pkey_mprotect       329  380  288
process_madvise     440  440  440
process_vm_readv    310  347  270
process_vm_writev   311  348  271
prof                  -   44    -
profil                -   98    -
putpmsg             182  189    -
query_module        178  167    -
quotactl            179  131   60
quotactl_fd         443  443  443
readdir               -   89    -
reboot              169   88  142
request_key         249  287  218
security            185    -    -
set_mempolicy       238  276  237
setdomainname       171  121  162
sethostname         170   74  161
setns               308  346  268
settimeofday        164   79  170
sgetmask              -   68    -
sigaction             -   67    -
signal                -   48    -
sigpending            -   73    -
sigsuspend            -   72    -
ssetmask              -   69    -
stime                 -   25    -
stty                  -   31    -
swapoff             168  115  225
swapon              167   87  224
sysfs               139  135    -
syslog              103  103  116
tuxcall             184    -    -
ulimit                -   58    -
umount                -   22    -
umount2             166   52   39
unshare             272  310   97
uprobe              336    -    -
uretprobe           335    -    -
uselib              134   86    -
userfaultfd         323  374  282
ustat               136   62    -
vhangup             153  111   58
vm86                  -  166    -
vm86old               -  113    -
vserver             236  273    -
"""

# Numbers from here on are newer than Docker 20.10's list (set_mempolicy_home_node and later).
_FIRST_UNKNOWN = 450

_CLONE_NEW = 0x7E020000
_PERSONALITIES = (0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)
_AF_INET, _AF_INET6, _AF_PACKET, _AF_VSOCK, _SOCK_RAW = 2, 10, 17, 40, 3

_ALLOW, _ERRNO, _NOTIFY = 0x7FFF0000, 0x00050000, 0x7FC00000
_LOAD, _AND, _EQUAL, _AT_LEAST, _RETURN, _ANY_BIT = 0x20, 0x54, 0x15, 0x35, 0x06, 0x45
_AT_NUMBER, _AT_ARCHITECTURE, _AT_ARGUMENTS = 0, 4, 16


class Instruction(NamedTuple):
    """One step of classic BPF: ``yes`` and ``no`` say how many instructions a jump leaves out."""

    code: int
    value: int
    yes: int = 0
    no: int = 0


Block = Sequence[Instruction]
NOTHING: Mapping[int, Block] = {}


@dataclass(frozen=True)
class _Table:
    """What differs between architectures: the column of ``_REFUSED`` and the numbers of calls with conditions."""

    audit: int
    column: int
    clone: int
    personality: int
    socket: int
    bind: int
    connect: int
    sendto: int
    socketcall: int | None = None


_X86_64 = _Table(0xC000003E, 0, clone=56, personality=135, socket=41, bind=49, connect=42, sendto=44)
_I386 = _Table(
    0x40000003, 1, clone=120, personality=136, socket=359, bind=361, connect=362, sendto=369, socketcall=102
)
_AARCH64 = _Table(0xC00000B7, 2, clone=220, personality=92, socket=198, bind=200, connect=203, sendto=206)
_TABLES = {"x86_64": (_X86_64, _I386), "aarch64": (_AARCH64,)}
_CLONE3 = 435


def program(
    *, shared_network: bool, asked: Mapping[int, Block] = NOTHING, machine: str = platform.machine()
) -> bytes:
    """The filter of a container's processes.

    With ``shared_network`` raw sockets are refused too, and ``bind``, ``connect`` and ``sendto`` with an address
    are sent to the filter's listener (``network``). ``asked``: more that is, by number, in the machine's own table.
    """
    tables = _TABLES[machine]
    code = [Instruction(_LOAD, _AT_ARCHITECTURE)]
    for table in tables:
        body = [
            Instruction(_LOAD, _AT_NUMBER),
            *_tree(_cases(table, shared_network, asked if table is tables[0] else NOTHING)),
        ]
        code += [Instruction(_EQUAL, table.audit, 1, 0), Instruction(0x05, len(body)), *body]
    code += _error(errno.ENOSYS)
    return b"".join(struct.pack("=HBBI", step.code, step.yes, step.no, step.value) for step in code)


def _return(action: int) -> Block:
    return (Instruction(_RETURN, action),)


def _error(number: int) -> Block:
    return _return(_ERRNO | number)


def _cases(table: _Table, shared_network: bool, asked: Mapping[int, Block]) -> list[tuple[int, Block]]:
    """What to do from each number on, up to the next one listed, in the order of numbers."""
    allow, refuse = _return(_ALLOW), _error(errno.EPERM)
    special: dict[int, Block] = dict.fromkeys(refused(table.column), refuse)
    special[table.clone] = (_argument(0), Instruction(_ANY_BIT, _CLONE_NEW, 0, 1), *refuse, *allow)
    special[table.personality] = (_argument(0), *_one_of(_PERSONALITIES), *refuse, *allow)
    special[table.socket] = _socket(shared_network)
    special[_CLONE3] = _error(errno.ENOSYS)
    if shared_network:
        special |= dict.fromkeys((table.bind, table.connect), _return(_NOTIFY))
        special[table.sendto] = _if_pointer(4, _return(_NOTIFY))
        if table.socketcall:
            special[table.socketcall] = _error(errno.ENOSYS)  # Its arguments lie in memory, out of a filter's sight.
    special |= asked
    cases: list[tuple[int, Block]] = [(0, allow)]
    for number in sorted(special):
        if cases[-1][0] == number:
            cases.pop()
        if not cases or cases[-1][1] != special[number]:
            cases.append((number, special[number]))
        cases.append((number + 1, allow))
    return [*cases, (_FIRST_UNKNOWN, _error(errno.ENOSYS))]


def refused(column: int) -> list[int]:
    """The numbers that Docker refuses whatever their arguments: 0 x86_64, 1 i386, 2 aarch64."""
    rows = (line.split() for line in _REFUSED.split("\n") if line)
    return [int(row[1 + column]) for row in rows if row[1 + column] != "-"]


def _argument(index: int, *, high: bool = False) -> Instruction:
    return Instruction(_LOAD, _AT_ARGUMENTS + 8 * index + 4 * high)


def _one_of(values: Sequence[int]) -> Block:
    """Skips the one instruction behind the block if the accumulator is one of the values."""
    last = len(values) - 1
    return tuple(Instruction(_EQUAL, value, last - place + 1, 0) for place, value in enumerate(values))


def _if_pointer(index: int, then: Block) -> Block:
    return (
        *(_argument(index), Instruction(_EQUAL, 0, 0, 2)),
        *(_argument(index, high=True), Instruction(_EQUAL, 0, len(then), 0)),
        *then,
        *_return(_ALLOW),
    )


def _socket(shared_network: bool) -> Block:
    """Which ``socket`` calls are refused: AF_VSOCK always; what reads other people's packets on a shared network."""
    allow, refuse = _return(_ALLOW), _error(errno.EPERM)
    if not shared_network:
        return (_argument(0), Instruction(_EQUAL, _AF_VSOCK, 0, 1), *refuse, *allow)
    return (
        _argument(0),
        *(Instruction(_EQUAL, _AF_VSOCK, 6, 0), Instruction(_EQUAL, _AF_PACKET, 5, 0)),
        *(Instruction(_EQUAL, _AF_INET, 1, 0), Instruction(_EQUAL, _AF_INET6, 0, 4)),
        *(_argument(1), Instruction(_AND, 0xF), Instruction(_EQUAL, _SOCK_RAW, 0, 1)),
        *refuse,
        *allow,
    )


def _tree(cases: Sequence[tuple[int, Block]]) -> Block:
    """A search by halves: seven comparisons for a hundred cases."""
    if len(cases) == 1:
        return cases[0][1]
    middle = len(cases) // 2
    below, above = _tree(cases[:middle]), _tree(cases[middle:])
    first = cases[middle][0]
    if len(below) < 256:
        return (Instruction(_AT_LEAST, first, len(below), 0), *below, *above)
    return (Instruction(_AT_LEAST, first, 0, 1), Instruction(0x05, len(below)), *below, *above)
