"""SHA-256, the digest of everything that is compared or told."""

import os

# Stays in a processor's cache between being read and being hashed.
_CHUNK = 256 * 1024


def sha256(content: bytes) -> str:
    """The SHA-256 digest as lower-case hexadecimal."""
    # Imported here because it loads libcrypto, which costs more than most commands' own work.
    import hashlib

    return hashlib.sha256(content).hexdigest()


def sha256_of_rest(descriptor: int) -> str:
    """The SHA-256 digest of what is left to read in a file, which is not held in memory."""
    import hashlib

    found = hashlib.sha256()
    buffer = memoryview(bytearray(_CHUNK))
    while size := os.readv(descriptor, [buffer]):
        found.update(buffer[:size])
    return found.hexdigest()
