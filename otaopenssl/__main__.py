"""The entry point: first the environment is cleaned, then anything else is imported.

OPENSSL_CONF can load code into any process that uses libcrypto, Python's own hashlib and ssl included; so nothing that
may import those comes before these lines.
"""

import gc
import os
import sys
from typing import NoReturn

_NEVER_INHERITED = ("OPENSSL_CONF", "OPENSSL_MODULES", "OPENSSL_ENGINES")


def main() -> NoReturn:
    """Run the command line and end the process with its exit status."""
    dropped = sorted(name for name in os.environ if name in _NEVER_INHERITED or name.startswith("LD_"))
    for name in dropped:
        del os.environ[name]
    # Imports make no garbage: looking for it there and at the end is a tenth of a device's time.
    gc.disable()
    try:
        from otaopenssl import cli

        gc.freeze()
        gc.enable()
        status = cli.run(sys.argv[1:], dropped)
    except KeyboardInterrupt:
        status = 130
    gc.freeze()
    sys.exit(status)


if __name__ == "__main__":
    main()
