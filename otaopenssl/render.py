"""The tool's Jinja templates → configuration files, of OpenSSL in a project and of OTA clients, and pages of HTML.

The configuration files read what differs from device to device from openssl's own environment
(``$ENV::DEVICE_UUID``), so that one file serves every device and can be reviewed and pinned. Source: OTA Community
Edition, scripts/certs.
"""

from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any

from otaopenssl.resources import templates_dir

CONFIG_NAMES = ("client.cnf", "client.ext", "device_ca.cnf", "server_ca.cnf", "server.cnf", "server.ext")

_SUFFIX = ".j2"
_NAMES = {
    "fleet_root_cn": "ota-devices-CA",
    "server_ca_cn": "ota-server-CA",
    "gateway_cn": "ota-gateway",
}


def render_config(name: str) -> bytes:
    """The content of configuration file ``name`` (one of CONFIG_NAMES), the same at every call."""
    return _plain(name, _NAMES)


def render_client_configuration(name: str, directory: str, *, has_key: bool) -> bytes:
    """The content of configuration file ``name`` of an OTA client that imports from ``directory``.

    Where it ``has_key`` the private key is imported as well, else it says nothing of where that is. The directory is
    of letters that stand for themselves in TOML.
    """
    return _plain(name, {"directory": directory, "prefix": directory.rstrip("/"), "has_key": has_key})


def _plain(name: str, values: Mapping[str, object]) -> bytes:
    """The text that template ``name`` makes of the values, which are the tool's own or were checked."""
    # Imported here because it costs a third of the program's start, and only the first run of a project renders.
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_source),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=False,
        trim_blocks=True,
        autoescape=False,  # noqa: S701 - the output is a configuration file, not HTML
    )
    return (environment.get_template(name + _SUFFIX).render(values).rstrip("\n") + "\n").encode("utf-8")


class Verbatim(str):
    """A text of lines: its line ends and tabs are shown as what they are, which those of a name are not."""


def render_page(name: str, values: Mapping[str, object], filters: Mapping[str, Callable[..., str]]) -> bytes:
    """The HTML page that template ``name`` makes of the values, in which whatever they hold is text.

    Characters that are not seen as what they are, such as those that turn the direction of writing, are escaped.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_source),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(filters)
    return environment.get_template(name + _SUFFIX).render(values).encode("utf-8")


def _visible(value: Any) -> Any:
    if isinstance(value, PurePath):
        value = str(value)
    # What a template made of strings from outside is markup.
    if not isinstance(value, str) or hasattr(value, "__html__") or value.isprintable():
        return value
    kept = "\n\t" if isinstance(value, Verbatim) else ""
    return "".join(one if one.isprintable() or one in kept else _escaped(one) for one in value)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _source(template: str) -> str:
    return (templates_dir() / template).read_text("utf-8")
