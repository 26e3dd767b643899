"""bcrypt, from the C library: what a registry's htpasswd file holds.

Source: crypt(5), "bcrypt"; libxcrypt is on every Debian, because login needs it.
"""

import ctypes
import ctypes.util
import secrets
import string

from kit.errors import Unavailable

COST = 10
"""2 to the power of this many rounds: about 50 ms, for us and for the registry at each request with a password."""
_ALPHABET = "./" + string.ascii_letters + string.digits


def bcrypt(password: str) -> str:
    """``$2b$10$…`` of a password.

    Raises:
        Unavailable: the C library does not know bcrypt.
    """
    library = ctypes.util.find_library("crypt")
    if not library:
        raise Unavailable("a registry with a password needs libcrypt: `sudo apt install libcrypt1`")
    crypt = ctypes.CDLL(library).crypt
    crypt.restype, crypt.argtypes = ctypes.c_char_p, (ctypes.c_char_p, ctypes.c_char_p)
    salt = "".join(secrets.choice(_ALPHABET) for _ in range(21)) + "."
    hashed: bytes | None = crypt(password.encode(), f"$2b${COST}${salt}".encode())
    if not hashed or not hashed.startswith(b"$2b$"):
        raise Unavailable("this machine's libcrypt does not know bcrypt, which a registry with a password needs")
    return hashed.decode()
