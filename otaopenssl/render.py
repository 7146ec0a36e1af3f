"""The tool's Jinja templates → the OpenSSL configuration files of a project.

The rendered files read what differs from device to device from openssl's own environment (``$ENV::DEVICE_UUID``), so
that one file serves every device and can be reviewed and pinned. Source: OTA Community Edition, scripts/certs.
"""

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
    # Imported here because it costs a third of the program's start, and only the first run of a project renders.
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda template: (templates_dir() / template).read_text("utf-8")),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=False,
        autoescape=False,  # noqa: S701 - the output is an OpenSSL configuration file, not HTML
    )
    return (environment.get_template(name + _SUFFIX).render(_NAMES) + "\n").encode("utf-8")
