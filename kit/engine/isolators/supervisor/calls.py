"""Which system calls a container may make natively, and who answers the others.

A call that takes a path, asks or changes an identity, or names another process is *answered*: the supervisor does
it, and the kernel never sees it. What only the kernel can do for the process (execute, change directory, use a
socket address) is *traced*: the supervisor changes the arguments, then the kernel goes on. The rest runs at full
speed, but for what Docker refuses too (``namespaces.profile``) and what would lead around the supervisor.

Source: the kernel's unistd tables; Docker's default seccomp profile.
"""

import errno
import platform
from collections.abc import Mapping
from typing import NamedTuple

# Name, then its number on x86_64 and aarch64.
_ANSWERED = """
open              2    -    | openat          257   56    | creat            85    -
stat              4    -    | lstat             6    -    | fstat             5   80
newfstatat      262   79    | statx           332  291    | access           21    -
faccessat       269   48    | readlink         89    -    | readlinkat      267   78
mkdir            83    -    | mkdirat         258   34    | rmdir            84    -
unlink           87    -    | unlinkat        263   35    | rename           82    -
renameat        264   38    | renameat2       316  276    | link             86    -
linkat          265   37    | symlink          88    -    | symlinkat       266   36
chmod            90    -    | fchmod           91   52    | fchmodat        268   53
chown            92    -    | lchown           94    -    | fchown           93   55
fchownat        260   54    | utime           132    -    | utimes          235    -
futimesat       261    -    | utimensat       280   88    | truncate         76   45
statfs          137   43    | mknod           133    -    | mknodat         259   33
getcwd           79   17    | chroot          161   51    | umask            95  166
setxattr        188    5    | lsetxattr       189    6    | fsetxattr       190    7
getxattr        191    8    | lgetxattr       192    9    | fgetxattr       193   10
listxattr       194   11    | llistxattr      195   12    | flistxattr      196   13
removexattr     197   14    | lremovexattr    198   15    | fremovexattr    199   16
getuid          102  174    | geteuid         107  175    | getgid          104  176
getegid         108  177    | getresuid       118  148    | getresgid       120  150
setuid          105  146    | setgid          106  144    | setreuid        113  145
setregid        114  143    | setresuid       117  147    | setresgid       119  149
setfsuid        122  151    | setfsgid        123  152    | setgroups       116  159
getgroups       115  158    | capget          125   90    | capset          126   91
getppid         110  173    | uname            63  160    | kill             62  129
tkill           200  130    | tgkill          234  131    | rt_sigqueueinfo 129  138
rt_tgsigqueueinfo 297 240   | pidfd_open      434  434    | prlimit64       302  261
setpriority     141  140    | ioprio_set      251   30    | sched_setaffinity 203 122
sched_setscheduler 144 119  | sched_setparam  142  118    | sched_setattr   314  274
"""

_TRACED = """
execve           59  221    | chdir            80   49    | bind             49  200
connect          42  203    | getsockname      51  204    | getpeername      52  205
sendto           44  206    | getsockopt       55  209    | sendmsg          46  211
sendmmsg        307  269    | clone            56  220    | fork             57    -
vfork            58    -
"""

# Not there: newer ways to do what is answered or traced. Programs then use the older one.
_MISSING = """
execveat        322  281    | clone3          435  435    | openat2         437  437
faccessat2      439  439    | fchmodat2       452  452    | mq_open         240  180
mq_unlink       241  181    | inotify_add_watch 254 27    | io_uring_setup  425  425
io_uring_enter  426  426    | io_uring_register 427 427
"""

# Beyond what Docker refuses: looking into other processes, and IPC objects that all processes of a user share.
_REFUSED = """
ptrace          101  117    | get_robust_list 274  100    | uselib          134    -
"""

# Their arguments decide.
_SPECIAL = """
prctl           157  167    | socket           41  198    | shmget           29  194
semget           64  190    | msgget           68  186    | shmat            30  196
shmctl           31  195    | semop            65  193    | semctl           66  191
semtimedop      220  192    | msgsnd           69  189    | msgrcv           70  188
msgctl           71  187
"""

FIRST_UNKNOWN = 453
"""Calls from here on came after Linux 6.6: nobody needs them yet, and they may do anything."""

_COLUMNS = {"x86_64": 0, "aarch64": 1}
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


class Table(NamedTuple):
    """The calls of one architecture, by name."""

    audit: int
    answered: Mapping[str, int]
    traced: Mapping[str, int]
    special: Mapping[str, int]
    refused: Mapping[int, int]
    """Number to errno."""


def table(machine: str = platform.machine()) -> Table:
    """
    Raises:
        KeyError: this architecture has no table.
    """
    column = _COLUMNS[machine]
    refused = dict.fromkeys(_read(_MISSING, column).values(), errno.ENOSYS)
    refused |= dict.fromkeys(_read(_REFUSED, column).values(), errno.EPERM)
    answered, traced, special = (_read(text, column) for text in (_ANSWERED, _TRACED, _SPECIAL))
    return Table(AUDIT[machine], answered, traced, special, refused)


def read(text: str, machine: str) -> dict[str, int]:
    """The rows of a table in the same form, for one architecture."""
    return _read(text, _COLUMNS[machine])


def _read(text: str, column: int) -> dict[str, int]:
    rows = (cell.split() for line in text.splitlines() for cell in line.split("|") if cell.strip())
    return {row[0]: int(row[1 + column]) for row in rows if row[1 + column] != "-"}
