"""Calls that open, look at, make, move and remove files.

Each does what the kernel would, on a file that ``paths`` has found, for an identity that only the container knows.

Source: the man pages of section 2 with the same names; inode(7).
"""

import errno
import os
import stat
import threading

from kit.engine.isolators.supervisor import kernel, ownership
from kit.engine.isolators.supervisor.call import ANSWERED, Call
from kit.engine.isolators.supervisor.container import wanted
from kit.engine.isolators.supervisor.ids import MKNOD
from kit.engine.isolators.supervisor.kernel import Status
from kit.engine.isolators.supervisor.ownership import WRITE
from kit.engine.isolators.supervisor.paths import ELSEWHERE, Found, Parent, descriptor_link
from kit.engine.isolators.supervisor.places import own, reopen
from kit.engine.isolators.supervisor.status import as_stat, as_statx

_TEMPORARY = os.O_TMPFILE & ~os.O_DIRECTORY
_KNOWN_FLAGS = 0x7FFFFF


# --- open


def open_file(call: Call, path: bytes, flags: int, mode: int) -> int:
    """``open``, on an absolute path."""
    flags &= _KNOWN_FLAGS
    mode = mode & 0o7777 & ~call.task.process.umask
    if flags & _TEMPORARY:
        return _hand_over(call, _open_temporary(call, path, flags, mode), flags)
    if flags & os.O_CREAT:
        descriptor = _make(call, path, flags, mode)
        if descriptor is not None:
            return _hand_over(call, descriptor, flags)
    follow = not flags & os.O_NOFOLLOW
    with call.box.find(call.task, path, follow=follow) as found:
        return _open_found(call, found, flags)


def _open_found(call: Call, found: Found, flags: int) -> int:
    box, status = call.box, found.status()
    kind = stat.S_IFMT(status.mode)
    if kind == stat.S_IFLNK:
        raise OSError(errno.ELOOP, "")
    access = wanted(flags)
    if access & WRITE:
        if kind == stat.S_IFDIR:
            raise OSError(errno.EISDIR, "")
        if found.place.read_only and kind == stat.S_IFREG:
            raise OSError(errno.EROFS, "")
    if found.place not in (box.proc, ELSEWHERE):
        face = box.owners.face(status)
        ownership.check(face, call.task.identity, access)
        if kind == stat.S_IFREG and stat.S_IFMT(face.mode) in (stat.S_IFCHR, stat.S_IFBLK):
            return _hand_over(call, box.devices.open_device(face.device, flags), flags)
    if kind == stat.S_IFIFO and not flags & os.O_NONBLOCK and flags & os.O_ACCMODE != os.O_RDWR:
        return _open_later(call, found, flags)
    return _hand_over(call, box.open(call.task, found, flags), flags)


def _hand_over(call: Call, descriptor: int, flags: int) -> int:
    try:
        kernel.answer_with_descriptor(
            call.listener, call.identity, descriptor, close_on_exec=bool(flags & os.O_CLOEXEC)
        )
    finally:
        os.close(descriptor)
    return ANSWERED


def _open_later(call: Call, found: Found, flags: int) -> int:
    """A FIFO opens when its other end does: somebody else waits for that."""
    held = os.dup(found.descriptor)

    def wait() -> None:
        try:
            _hand_over(call, reopen(held, flags), flags)
        except OSError as problem:
            if kernel.still_waits(call.listener, call.identity):
                kernel.answer(call.listener, call.identity, 0, problem.errno or errno.EINTR)
        finally:
            os.close(held)

    threading.Thread(target=wait, daemon=True).start()
    return ANSWERED


def _make(call: Call, path: bytes, flags: int, mode: int) -> int | None:
    """A descriptor of a new file; None if there is one already."""
    box, task = call.box, call.task
    for _ in range(2):  # A symlink to nothing: the file is made where it leads.
        try:
            parent = box.paths.parent(task, path)
        except OSError as problem:
            if problem.errno in (errno.EBUSY, errno.EINVAL, errno.ENOTEMPTY):
                return None
            raise
        with parent.directory as directory:
            if parent.is_mount or not directory.place.can_make:
                return None
            try:
                link = stat.S_ISLNK(os.lstat(parent.at()).st_mode)
            except FileNotFoundError:
                return _make_in(call, parent, flags, mode)
            if flags & os.O_EXCL:
                raise OSError(errno.EEXIST, "")
            if not link or flags & os.O_NOFOLLOW:
                return None
        try:
            box.find(task, path).__exit__()
            return None
        except FileNotFoundError:
            path = box.paths.resolve(task, path)
    raise OSError(errno.ENOENT, "")


def _make_in(call: Call, parent: Parent, flags: int, mode: int) -> int | None:
    directory = parent.directory
    above = call.box.check_directory(call.task, directory)
    if parent.ends_with_slash:
        raise OSError(errno.EISDIR, "")
    how = flags & ~(os.O_TRUNC | os.O_DIRECTORY | os.O_NOATIME) | os.O_CREAT | os.O_EXCL | os.O_NOCTTY
    try:
        descriptor = kernel.open_at(
            directory.descriptor, parent.name, how, kernel.BENEATH | kernel.NO_LINKS, ownership.shown(mode, False)
        )
    except FileExistsError:
        return None
    _record_new(call, kernel.status(descriptor), above, mode)
    return descriptor


def _open_temporary(call: Call, path: bytes, flags: int, mode: int) -> int:
    with call.box.find(call.task, path) as found:
        if not found.place.can_make:
            raise OSError(errno.EOPNOTSUPP, "")
        call.box.check_directory(call.task, found)
        descriptor = os.open(
            own(found.descriptor), flags & ~os.O_NOFOLLOW | os.O_CLOEXEC, ownership.shown(mode, False)
        )
        call.box.owners.born(kernel.status(descriptor), call.task.identity.user.files, call.task.identity.group.files)
        return descriptor


def _record_new(call: Call, status: Status, parent: ownership.Face, mode: int | None = None) -> None:
    """Who owns what was just made, and the mode that the disk could not be given."""
    who = call.task.identity
    directory = stat.S_ISDIR(status.mode)
    hidden = mode if mode is not None and ownership.shown(mode, directory) != mode else None
    call.box.owners.born(status, who.user.files, ownership.group_of_new(parent, who), hidden)


# --- look


def look(call: Call, found: Found) -> tuple[Status, ownership.Face]:
    with found:
        status = found.status()
        return status, call.box.face(found, status)


def stat_file(call: Call, found: Found, buffer: int) -> int:
    call.write(buffer, as_stat(*look(call, found)))
    return 0


def stat_descriptor(call: Call, descriptor: int, buffer: int) -> int:
    """``fstat``, the most frequent call of all: where the file lies does not matter."""
    try:
        status = kernel.status(kernel.AT_CWD, descriptor_link(call.task, descriptor), 0)
    except OSError as problem:
        raise OSError(errno.EBADF, "") from problem
    call.write(buffer, as_stat(status, call.box.owners.face(status)))
    return 0


def fstat(call: Call) -> int:
    return stat_descriptor(call, call.number(0), 1)


def statx(call: Call) -> int:
    found = call.find_or_descriptor(1, call.number(0), call.unsigned(2))
    call.write(4, as_statx(*look(call, found)))
    return 0


def access(call: Call, found: Found, wanted_access: int) -> int:
    """With the real ids, not the effective ones."""
    with found:
        status = found.status()
        face = call.box.face(found, status)
        who = call.task.identity
        real = who._replace(
            user=who.user._replace(files=who.user.real), group=who.group._replace(files=who.group.real)
        )  # fmt: skip
        if wanted_access & WRITE and found.place.read_only and not stat.S_ISCHR(status.mode):
            raise OSError(errno.EROFS, "")
        if found.place.target == b"/proc" and not wanted_access & WRITE:
            return 0
        ownership.check(face, real, wanted_access & 7)
    return 0


def readlink(call: Call, directory: int, path: int) -> int:
    """``path`` is the index of its argument; the buffer and its size follow."""
    text = call.text(path)
    if text:
        absolute = call.box.paths.absolute(call.task, directory, text)
        with call.box.find(call.task, absolute, follow=False) as found:
            link = found.place.link(call.task, found.inner)
    else:
        with call.descriptor(directory) as found:
            if not stat.S_ISLNK(found.status().mode):
                raise OSError(errno.ENOENT, "")
            link = os.readlink(b"", dir_fd=found.descriptor)
    if link is None:
        raise OSError(errno.EINVAL, "")
    link = link[: max(call.number(path + 2), 0)]
    if not link:
        raise OSError(errno.EINVAL, "")
    call.write(path + 1, link)
    return len(link)


def getcwd(call: Call) -> int:
    path = call.box.paths.base(call.task, kernel.AT_CWD) + b"\0"
    if len(path) > call.arguments[1]:
        raise OSError(errno.ERANGE, "")
    call.write(0, path)
    return len(path)


def statfs(call: Call) -> int:
    with call.find(0) as found:
        call.write(1, kernel.file_system_status(found.descriptor))
    return 0


def truncate(call: Call) -> int:
    with call.find(0) as found:
        status = found.status()
        if stat.S_ISDIR(status.mode):
            raise OSError(errno.EISDIR, "")
        if not stat.S_ISREG(status.mode):
            raise OSError(errno.EINVAL, "")
        found.must_be_writable()
        ownership.check(call.box.owners.face(status), call.task.identity, WRITE)
        descriptor = call.box.open(call.task, found, os.O_WRONLY)
        try:
            os.ftruncate(descriptor, call.arguments[1])
        finally:
            os.close(descriptor)
    return 0


# --- make, move, remove


def mkdir(call: Call, parent: Parent, mode: int) -> int:
    with parent.directory as directory:
        mode = mode & 0o1777 & ~call.task.process.umask
        above = call.box.owners.face(directory.status())
        os.mkdir(parent.at(), ownership.shown(mode, True))
        status = kernel.status(kernel.AT_CWD, parent.at(), kernel.AT_NO_FOLLOW)
        if above.mode & stat.S_ISGID:
            mode |= stat.S_ISGID
            os.chmod(parent.at(), ownership.shown(mode, True))
        _record_new(call, status, above, mode)
    return 0


def mknod(call: Call, parent: Parent, mode: int, device: int) -> int:
    with parent.directory as directory:
        mode &= ~call.task.process.umask
        above = call.box.owners.face(directory.status())
        kind = stat.S_IFMT(mode) or stat.S_IFREG
        if kind in (stat.S_IFCHR, stat.S_IFBLK):
            if not call.task.identity.has(MKNOD):
                raise OSError(errno.EPERM, "")
            os.mknod(parent.at(), stat.S_IFREG | 0o600)
        elif kind in (stat.S_IFREG, stat.S_IFIFO, stat.S_IFSOCK):
            os.mknod(parent.at(), kind | ownership.shown(mode & 0o7777, False))
        else:
            raise OSError(errno.EINVAL, "")
        status = kernel.status(kernel.AT_CWD, parent.at(), kernel.AT_NO_FOLLOW)
        _record_new(call, status, above, mode & 0o7777)
        if kind in (stat.S_IFCHR, stat.S_IFBLK):
            call.box.owners.record(status, mode=mode & 0o7777, st_mode=kind | mode & 0o7777, rdev=device)
    return 0


def symlink(call: Call, parent: Parent) -> int:
    """The target is the first argument."""
    with parent.directory as directory:
        target = call.text(0)
        if not target:
            raise OSError(errno.ENOENT, "")
        os.symlink(target, parent.at())
        status = kernel.status(kernel.AT_CWD, parent.at(), kernel.AT_NO_FOLLOW)
        _record_new(call, status, call.box.owners.face(directory.status()))
    return 0


def link(call: Call, source: Found, parent: Parent) -> int:
    with source, parent.directory:
        if not parent.directory.place.can_make or source.place is not parent.directory.place:
            raise OSError(errno.EXDEV, "")
        if stat.S_ISDIR(source.status().mode):
            raise OSError(errno.EPERM, "")
        if stat.S_ISLNK(source.status().mode):
            with call.box.paths.parent(call.task, source.path).directory as above:
                name = source.inner.rpartition(b"/")[2]
                os.link(own(above.descriptor) + b"/" + name, parent.at(), follow_symlinks=False)
        else:
            # A directory, though not used, makes Python ask for links to be followed: it uses plain link() otherwise.
            os.link(own(source.descriptor), parent.at(), src_dir_fd=parent.directory.descriptor)
    return 0


def unlink(call: Call, parent: Parent, *, directory: bool) -> int:
    with parent.directory:
        _check_sticky(call, parent)
        if directory:
            os.rmdir(parent.at())
        else:
            if parent.ends_with_slash:
                raise OSError(errno.ENOTDIR, "")
            os.unlink(parent.at())
    return 0


def rename(call: Call, old: Parent, new: Parent, flags: int) -> int:
    with old.directory, new.directory:
        _check_sticky(call, old)
        _check_sticky(call, new, missing_is_fine=True)
        kernel.rename(old.directory.descriptor, old.name, new.directory.descriptor, new.name, flags)
    return 0


def _check_sticky(call: Call, parent: Parent, *, missing_is_fine: bool = False) -> None:
    above = call.box.owners.face(parent.directory.status())
    if not above.mode & stat.S_ISVTX:
        return
    try:
        status = kernel.status(kernel.AT_CWD, parent.at(), kernel.AT_NO_FOLLOW)
    except FileNotFoundError:
        if missing_is_fine:
            return
        raise
    ownership.check_sticky(above, call.box.owners.face(status), call.task.identity)
