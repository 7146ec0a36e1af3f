"""credentials.zip: the gateway's URL and, where it carries one, the CA of the gateway's certificate.

The archive holds private keys. It is read in memory, bounded, and nothing of it is written to a disk or shown but the
URL. Source: guide step 3; OTA Community Edition, scripts/start.sh.
"""

import io
import struct
import zipfile
import zlib
from pathlib import Path

from otaopenssl.address import Gateway, parse_gateway_url
from otaopenssl.durable import read_bounded
from otaopenssl.errors import BadInput, Unfit, quoted, reason
from otaopenssl.outputs import CERTIFICATE, is_whole_der, pem_blocks

_LARGEST_ARCHIVE = 4 * 1024 * 1024
_MOST_MEMBERS = 1000
_LARGEST_MEMBER = 16 * 1024 * 1024
_LARGEST_READ = 1024 * 1024
_LARGEST_RATIO = 200
# Below this size a ratio says nothing: a file of zeros shrinks a thousandfold.
_SMALL = 1024 * 1024
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# OTA Connect's name, then the one that the guide writes.
_URL_NAMES = ("autoprov.url", "autoprov")
_SERVER_CA_NAME = "server_ca.pem"
_PKCS12_NAME = "autoprov_credentials.p12"
_HINT = "download credentials.zip again"
_FAULTS = (
    zipfile.BadZipFile,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    IndexError,
    OverflowError,
    struct.error,
    zlib.error,
)


class Credentials:
    """The credentials.zip at ``path``, judged as a whole when it is opened; ``shown`` names it in messages.

    Raises Unfit where it is not there or cannot be read, BadInput where it is malformed.
    """

    def __init__(self, path: Path, shown: str) -> None:
        self._shown = quoted(shown)
        try:
            content = read_bounded(path, _LARGEST_ARCHIVE)
        except (OSError, ValueError) as error:
            words = reason(error) if isinstance(error, OSError) else "it is no path"
            raise Unfit(
                f"archive {self._shown} cannot be read: {words}", hint="check its path, owner and mode"
            ) from error
        # Each member costs memory before it can be refused; the mark is that of an entry of the central directory.
        if content.count(b"PK\1\2") > 2 * _MOST_MEMBERS:
            raise self._fault(f"has more than {_MOST_MEMBERS} members")
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(content))
        except _FAULTS as error:
            what = "is empty" if not content else "is no zip archive"
            raise self._fault(what) from error
        self._check_members()

    def url(self) -> str:
        """The one URL of autoprov.url (the guide's autoprov). Raises BadInput, which never shows a password."""
        return self._url()[0]

    def gateway(self) -> Gateway:
        """The gateway that the URL names. Raises BadInput."""
        url, what = self._url()
        return parse_gateway_url(url, what)

    def server_ca(self) -> bytes | None:
        """The certificates of server_ca.pem in PEM; None where the archive carries none. Raises BadInput."""
        if _SERVER_CA_NAME not in self._archive.namelist():
            return None
        content = self._read(_SERVER_CA_NAME)
        blocks = pem_blocks(content)
        is_good = all(block.label == CERTIFICATE and is_whole_der(block.der) for block in blocks)
        if not blocks or not is_good or content.count(b"-----BEGIN ") != len(blocks):
            raise self.unreadable_server_ca()
        return content

    def pkcs12(self) -> bytes | None:
        """autoprov_credentials.p12 as it is, which holds a private key; None where there is none. Raises BadInput."""
        return self._read(_PKCS12_NAME) if _PKCS12_NAME in self._archive.namelist() else None

    def unreadable_server_ca(self) -> BadInput:
        """The error for a server_ca.pem that is something else than certificates."""
        return self._fault(f"has a {quoted(_SERVER_CA_NAME)} that is no PEM certificate")

    def unreadable_pkcs12(self) -> BadInput:
        """The error for an autoprov_credentials.p12 that openssl cannot read with an empty password."""
        return BadInput(
            f"archive {self._shown}: {quoted(_PKCS12_NAME)} is no PKCS#12 file with an empty password",
            hint=f"{_HINT}, or name the gateway with '--gateway' and vouch for it with '--pin'",
        )

    def _url(self) -> tuple[str, str]:
        """The URL, checked to be one, and what it is called in messages."""
        name = next((name for name in _URL_NAMES if name in self._archive.namelist()), None)
        if name is None:
            raise self._fault(f"holds no {quoted(_URL_NAMES[0])}")
        try:
            lines = self._read(name).decode("utf-8-sig").strip().splitlines()
        except UnicodeDecodeError as error:
            raise self._fault(f"has an {quoted(name)} that is no text") from error
        if len(lines) != 1:
            found = f"{len(lines)} lines" if lines else "nothing"
            raise self._fault(f"has {found} in {quoted(name)}, expected one URL")
        what = f"archive {self._shown}: {quoted(name)}"
        try:
            parse_gateway_url(lines[0], what)
        except BadInput as error:
            raise BadInput(error.message, hint=_HINT) from error
        return lines[0], what

    def _check_members(self) -> None:
        members = self._archive.infolist()
        if len(members) > _MOST_MEMBERS:
            raise self._fault(f"has {len(members)} members, at most {_MOST_MEMBERS} are read")
        names = [member.filename for member in members]
        for member in members:
            shown = quoted(member.filename)
            if names.count(member.filename) > 1:
                raise self._fault(f"has {shown} twice")
            if member.flag_bits & 0x1:
                raise self._fault(f"is encrypted ({shown})")
            if member.file_size > _LARGEST_MEMBER:
                raise self._fault(f"has {member.file_size} bytes in {shown}, at most {_LARGEST_MEMBER} are read")
            if member.file_size > max(_SMALL, member.compress_size * _LARGEST_RATIO):
                raise self._fault(f"has {member.file_size} bytes in {shown}, packed into {member.compress_size}")

    def _read(self, name: str) -> bytes:
        """The content of a member of at most 1 MiB."""
        member = self._archive.getinfo(name)
        if member.compress_type not in _METHODS:
            raise self._fault(f"has {quoted(name)} packed in a way that is not read")
        if member.file_size > _LARGEST_READ:
            raise self._fault(f"has {member.file_size} bytes in {quoted(name)}, at most {_LARGEST_READ} are read")
        try:
            with self._archive.open(member) as file:
                content = file.read(_LARGEST_READ)
        except _FAULTS as error:
            raise self._fault(f"is damaged ({quoted(name)})") from error
        if len(content) != member.file_size:
            raise self._fault(f"is damaged ({quoted(name)})")
        return content

    def _fault(self, what: str) -> BadInput:
        return BadInput(f"archive {self._shown} {what}", hint=_HINT)
