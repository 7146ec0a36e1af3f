"""The entry point: first the environment is cleaned, then anything else is imported.

OPENSSL_CONF can load code into any process that uses libcrypto, Python's own hashlib and ssl included, and so can
openssl.cnf where it is not set; so nothing that may import those comes before these lines.
"""

import gc
import os
import signal
import sys

_NEVER_INHERITED = ("OPENSSL_CONF", "OPENSSL_MODULES", "OPENSSL_ENGINES")


_HEARD = [
    number
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP)
    if signal.getsignal(number) is not signal.SIG_IGN
]
# Until cli listens nothing is made that would have to be removed.
for _number in _HEARD:
    signal.signal(_number, lambda _signal, _frame: os._exit(130))


def main() -> None:
    """Run the command line and end the process with its exit status."""
    dropped = sorted(name for name in os.environ if name in _NEVER_INHERITED or name.startswith("LD_"))
    for name in dropped:
        del os.environ[name]
    # Nor is the system's own openssl.cnf to load code into this process, before anybody has compared it.
    os.environ["OPENSSL_CONF"] = os.devnull
    # Imports make no garbage: looking for it there and at the end is a tenth of a device's time.
    gc.disable()
    from otaopenssl import cli

    gc.freeze()
    gc.enable()
    status = cli.run(sys.argv[1:], dropped)
    # The status is known; Python's own tidying up would give the signals their default, death, back.
    for number in _HEARD:
        signal.signal(number, signal.SIG_IGN)
    gc.freeze()
    sys.exit(status)


if __name__ == "__main__":
    main()
