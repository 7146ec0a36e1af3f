"""SHA-256, the digest of everything that is compared or told."""


def sha256(content: bytes) -> str:
    """The SHA-256 digest as lower-case hexadecimal."""
    # Imported here because it loads libcrypto, which costs more than most commands' own work.
    import hashlib

    return hashlib.sha256(content).hexdigest()
