"""The guide's tree as paths, and the places of the audited texts as the words that stand for them.

A path is where a file lies; a place is how the guide's commands name it. DEVICES_DIR stays relative, as in the guide,
so that the same words name the real tree from the project directory and a staged one from a workbench.
"""

import stat
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from otaopenssl.ids import DeviceID, DeviceUUID, ServerName

KEY_NAME = "pkey.pem"
CERTIFICATE_NAME = "client.pem"
GATEWAY_ROOT_NAME = "root.crt"
# A server CA and what it has signed: a gateway needs the last two, devices the second.
SERVER_NAMES = ("ca.key", "server_ca.pem", "server.crt", "server.key", "server.chain.pem")
HIDDEN_DIR_NAME = ".otaopenssl"
SETTINGS_NAME = "otaopenssl.toml"


class _Where(NamedTuple):
    project_dir: Path
    name: ServerName


class Server(_Where):
    """One fleet in a project directory: ``PROJECT/certs`` and ``PROJECT/NAME/devices``.

    ``project_dir`` is absolute; it is the guide's CWD to the letter, symbolic links included.
    """

    @cached_property
    def certs_dir(self) -> Path:
        """The OpenSSL configuration files."""
        return self.project_dir / "certs"

    @cached_property
    def server_dir(self) -> Path:
        """The guide's SERVER_DIR."""
        return self.project_dir / self.name

    @cached_property
    def devices_dir(self) -> Path:
        """The guide's DEVICES_DIR: the fleet root CA and a directory a device."""
        return self.server_dir / "devices"

    @cached_property
    def ca_key_path(self) -> Path:
        """The private key of the fleet root CA."""
        return self.devices_dir / "ca.key"

    @cached_property
    def ca_crt_path(self) -> Path:
        """The certificate of the fleet root CA."""
        return self.devices_dir / "ca.crt"

    @cached_property
    def ca_srl_path(self) -> Path:
        """The serial number that was used last."""
        return self.devices_dir / "ca.srl"

    @cached_property
    def hidden_dir(self) -> Path:
        """Workbenches and the lock lie here; it is there only while a run is."""
        return self.server_dir / HIDDEN_DIR_NAME

    @cached_property
    def previous_dir(self) -> Path:
        """The devices that were renewed, as they were before: ``UUID/TIME``."""
        return self.server_dir / "previous"

    def device_path(self, uuid: DeviceUUID) -> Path:
        """The directory of a device."""
        return self.devices_dir / uuid

    def shown(self, path: Path) -> str:
        """The path as the guide writes one: ``./…`` below the project directory, else absolute."""
        if path.is_relative_to(self.project_dir):
            return f"./{path.relative_to(self.project_dir)}"
        return str(path)

    def places(self) -> dict[str, str]:
        """The values of the places that every text may use.

        Source: guide step 1, with the departures devices-dir-typo and server-dir-unset.
        """
        return {
            "CWD": str(self.project_dir),
            "SERVER_NAME": self.name,
            "SERVER_DIR": str(self.server_dir),
            "DEVICES_DIR": f"./{self.name}/devices",
        }

    def own_places(self) -> dict[str, str]:
        """The values of the places of server.sh: SERVER_DIR is relative, so that what it names can be staged.

        Source: OTA Community Edition, scripts/gen-server-certs.sh, which sets it so.
        """
        return self.places() | {"SERVER_DIR": f"./{self.name}"}

    def device_places(self, uuid: DeviceUUID, device_id: DeviceID) -> dict[str, str]:
        """The values of the places of a text about one device."""
        places = self.places()
        return places | {
            "DEVICE_UUID": uuid,
            "device_id": device_id,
            "device_dir": f"{places['DEVICES_DIR']}/{uuid}",
        }


def listing(device_dir: Path) -> dict[str, str]:
    """The names in a device directory with their modes in octal, or where they link to."""
    return {
        path.name: f"-> {path.readlink()}" if path.is_symlink() else f"{stat.S_IMODE(path.lstat().st_mode):04o}"
        for path in sorted(device_dir.iterdir())
    }
