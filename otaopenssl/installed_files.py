"""Which files a device gets, by their names there: what an OTA client imports, and its configuration.

Source: guide step 6; aktualizr's import directory; OTA Community Edition, scripts/gen-device.sh.
"""

from enum import StrEnum
from typing import NamedTuple

from otaopenssl.layout import CERTIFICATE_NAME, GATEWAY_ROOT_NAME, KEY_NAME
from otaopenssl.present_device import PresentDevice
from otaopenssl.render import render_client_configuration

GATEWAY_URL_NAME = "gateway.url"
_PRIVATE, _PUBLIC = 0o600, 0o644


class Configuration(StrEnum):
    """The configuration of an OTA client, by the name of its file: aktualizr's, or OTA Community Edition's."""

    AKTUALIZR = "sota-device-cred.toml"
    OTA_CE = "config.toml"


ALL_NAMES = (KEY_NAME, GATEWAY_ROOT_NAME, GATEWAY_URL_NAME, *Configuration, CERTIFICATE_NAME)


class InstalledFile(NamedTuple):
    """A file of a device as it is to be there; the key's content is never shown."""

    name: str
    content: bytes
    mode: int

    @property
    def is_key(self) -> bool:
        """Whether it is the private key."""
        return self.name == KEY_NAME

    @property
    def is_configuration(self) -> bool:
        """Whether it is the configuration of an OTA client, which people change."""
        return self.name in tuple(Configuration)

    @property
    def is_of_gateway(self) -> bool:
        """Whether it tells which gateway the device talks to, and whom it trusts to be it."""
        return self.name in (GATEWAY_ROOT_NAME, GATEWAY_URL_NAME)


def installed_files(
    device: PresentDevice, root_crt: bytes, url: str, configuration: Configuration | None, directory: str
) -> tuple[InstalledFile, ...]:
    """The files of a device, in the order in which they get their names: the key first, the certificate last.

    ``url`` is that of the gateway, ``directory`` where the files lie on the device.
    """
    found = [InstalledFile(KEY_NAME, device.files[KEY_NAME], _PRIVATE)] if device.has_key else []
    found.append(InstalledFile(GATEWAY_ROOT_NAME, root_crt, _PUBLIC))
    # As in credentials.zip, and as the client takes it: without a line's end.
    found.append(InstalledFile(GATEWAY_URL_NAME, url.encode("ascii"), _PUBLIC))
    if configuration is not None:
        rendered = render_client_configuration(configuration, directory, has_key=device.has_key)
        found.append(InstalledFile(configuration, rendered, _PUBLIC))
    # Where the certificate is, all else is.
    return (*found, InstalledFile(CERTIFICATE_NAME, device.files[CERTIFICATE_NAME], _PUBLIC))
