"""What ``openssl list -providers`` says → which providers are there, without running anything. From OpenSSL 3.0 on."""

import re
from typing import NamedTuple

from otaopenssl.cnf import Config

DEFAULT = "default"
BASE = "base"
FIPS = "fips"


class Provider(NamedTuple):
    """A provider that openssl has loaded: the name that configurations give it, its version, and whether it works."""

    name: str
    version: str
    is_active: bool


def parse_providers(text: str) -> tuple[Provider, ...] | None:
    """The providers in the answer, in its order; None where the text is none.

    A provider is a line indented by two spaces, and what is said of it stands in lines indented by four.
    """
    lines = text.split("\n")
    if lines[0].rstrip() != "Providers:":
        return None
    found: list[Provider] = []
    for line in lines[1:]:
        if match := re.fullmatch(r"  (\S+)", line.rstrip()):
            found.append(Provider(match[1], "", is_active=False))
        elif found and (match := re.fullmatch(r"    (version|status): (.*)", line.rstrip())):
            is_version = match[1] == "version"
            change = {"version": match[2]} if is_version else {"is_active": match[2] == "active"}
            found[-1] = found[-1]._replace(**change)
    return tuple(found)


def asks_for_fips(config: Config) -> bool:
    """Whether openssl.cnf asks for FIPS algorithms alone, as far as it says so itself. Source: fips_module(7)."""
    start = config.value("default", "openssl_conf") or ""
    section = config.sections.get(start, {}).get("alg_section", "")
    properties = config.sections.get(section, {}).get("default_properties", "")
    wanted = [part.replace(" ", "") for part in properties.split(",")]
    return "fips=yes" in wanted or "fips" in wanted
