"""Two names that swap what they mean, in one step of the file system's. Source: rename(2), RENAME_EXCHANGE."""

import errno
import os
from pathlib import Path

# Source: linux/fcntl.h, linux/fs.h.
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
# What is said by a kernel, a file system or a container that does not know it. Where EPERM means the names themselves,
# a plain rename says so as well.
_NOT_KNOWN = (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM)


def exchange(one: Path, other: Path) -> bool:
    """Have two names swap what they mean, in one step; False, and nothing done, where the system cannot do that.

    Raises OSError.
    """
    # Imported here because few runs need it, and all would pay for it.
    import ctypes

    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    if call(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), ctypes.c_uint(_RENAME_EXCHANGE)) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NOT_KNOWN:
        return False
    raise OSError(number, os.strerror(number), str(one), None, str(other))
