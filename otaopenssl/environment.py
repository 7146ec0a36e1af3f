"""The whole environment of an openssl process: built from nothing, since it is audited as the commands are."""

from collections.abc import Mapping, Sequence

from otaopenssl.ids import DeviceUUID, ServerName

CHILD_PATH = "/usr/bin:/bin"
# Loading the system's trust bundle is four fifths of an x509 command's time, and changes nothing of what it prints.
NO_TRUST_BUNDLE = {"SSL_CERT_FILE": "/dev/null"}
_NEEDS_TRUST_BUNDLE = frozenset({"s_client", "verify"})


def environment(server_name: ServerName, uuid: DeviceUUID | None = None) -> dict[str, str]:
    """What every openssl process of a run gets: the search path, the locale, what the config files read."""
    built = {"PATH": CHILD_PATH, "LC_ALL": "C", "SERVER_NAME": str(server_name)}
    return built if uuid is None else built | {"DEVICE_UUID": str(uuid)}


def environment_for(command: Sequence[str], variables: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of a process: ``variables``, without a trust bundle where the command needs none."""
    needs_trust = len(command) > 1 and command[1] in _NEEDS_TRUST_BUNDLE
    return {**variables, **({} if needs_trust else NO_TRUST_BUNDLE)}
