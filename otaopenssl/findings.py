"""What can be wrong with a device or its fleet root CA: each kind has a code that stays, and a meaning."""

from enum import StrEnum
from typing import NamedTuple

# What a finding about no device in particular is about: names that no device can have.
FLEET_ROOT = "ca.crt"
RECORDS = "records/"


class Severity(StrEnum):
    """Whether something does not hold, holds and is worth knowing, or is accepted by whoever asks."""

    FAULT = "fault"
    WARNING = "warning"
    ACCEPTED = "accepted"


class Code(StrEnum):
    """The kinds of findings. Codes are an interface: none is renamed, none gets another meaning."""

    DIRECTORY_NAME = "directory-name"
    DIRECTORY_KIND = "directory-kind"
    DIRECTORY_MODE = "directory-mode"
    FILE_MISSING = "file-missing"
    FILE_KIND = "file-kind"
    FILE_UNREADABLE = "file-unreadable"
    FILE_EMPTY = "file-empty"
    FILE_MODE = "file-mode"
    FILE_OWNER = "file-owner"
    KEY_MODE = "key-mode"
    KEY_ELSEWHERE = "key-elsewhere"
    PEM_MALFORMED = "pem-malformed"
    PEM_LABEL = "pem-label"
    PEM_EXTRA = "pem-extra"
    PEM_CRLF = "pem-crlf"
    KEY_UNUSABLE = "key-unusable"
    KEY_OTHER = "key-other"
    SOURCE_KEY_OTHER = "source-key-other"
    CSR_UNREADABLE = "csr-unreadable"
    CSR_SIGNATURE = "csr-signature"
    CSR_NAME = "csr-name"
    CSR_OTHER = "csr-other"
    CERTIFICATE_UNREADABLE = "certificate-unreadable"
    CERTIFICATE_NAME = "certificate-name"
    CERTIFICATE_SUBJECT = "certificate-subject"
    CERTIFICATE_VERSION = "certificate-version"
    CERTIFICATE_IS_CA = "certificate-is-ca"
    KEY_USAGE = "key-usage"
    EXTENDED_KEY_USAGE = "extended-key-usage"
    NOT_YET_VALID = "not-yet-valid"
    EXPIRED = "expired"
    OUTLIVES_CA = "outlives-ca"
    KEY_TYPE = "key-type"
    KEY_WEAK = "key-weak"
    KEY_SHARED = "key-shared"
    SIGNATURE_WEAK = "signature-weak"
    UNTRUSTED = "untrusted"
    PURPOSE = "purpose"
    SERIAL_DUPLICATE = "serial-duplicate"
    SERIAL_INVALID = "serial-invalid"
    CHAIN_ORDER = "chain-order"
    CHAIN_OTHER = "chain-other"
    CA_LINK = "ca-link"
    ROOT_CRT_MISSING = "root-crt-missing"
    ROOT_CRT_WITHOUT_ROOT = "root-crt-without-root"
    ROOT_CRT_EXPIRED = "root-crt-expired"
    ROOT_CRT_NOT_YET_VALID = "root-crt-not-yet-valid"
    RECORDED_OTHER = "recorded-other"
    NOT_RECORDED = "not-recorded"
    NOT_VERIFIED = "not-verified"
    CA_NOT_A_CA = "ca-not-a-ca"
    CA_WITHOUT_ROOT = "ca-without-root"
    CA_PURPOSE = "ca-purpose"
    CA_EXPIRED = "ca-expired"
    CA_NOT_YET_VALID = "ca-not-yet-valid"

    @property
    def severity(self) -> Severity:
        """Whether a finding of this kind is a fault: a warning is of what works, and may fail one day."""
        return Severity.WARNING if self in _WARNINGS else Severity.FAULT

    @property
    def meaning(self) -> str:
        """What a finding of this kind means."""
        return _MEANINGS[self]


_WARNINGS = frozenset(
    {
        Code.CERTIFICATE_SUBJECT,
        Code.KEY_ELSEWHERE,
        Code.ROOT_CRT_MISSING,
        Code.ROOT_CRT_WITHOUT_ROOT,
        Code.NOT_RECORDED,
        Code.CA_WITHOUT_ROOT,
    }
)


_MEANINGS = {
    Code.DIRECTORY_NAME: "a directory among the devices has a name that no device can have",
    Code.DIRECTORY_KIND: "what should be the device's directory is something else",
    Code.DIRECTORY_MODE: "others than its owner may enter or list the device's directory",
    Code.FILE_MISSING: "a file that the audited text makes is not there",
    Code.FILE_KIND: "a link, a directory or a special file stands in a file's place",
    Code.FILE_UNREADABLE: "a file or the directory cannot be read",
    Code.FILE_EMPTY: "a file is empty, as a full disk leaves it",
    Code.FILE_MODE: "a public file may be written by everybody, or is executable",
    Code.FILE_OWNER: "a file or the directory belongs to somebody else than the devices directory, and not to root",
    Code.KEY_MODE: "a private key may be read or written by others than its owner",
    Code.KEY_ELSEWHERE: "the device's keys are not here: it was signed from a CSR, and has them alone",
    Code.PEM_MALFORMED: "a file holds no PEM, or a block that is cut off or damaged",
    Code.PEM_LABEL: "a PEM file holds something of another kind, such as a key in place of a certificate",
    Code.PEM_EXTRA: "a PEM file holds more than the one block that it should",
    Code.PEM_CRLF: "lines of a PEM file end as on Windows",
    Code.KEY_UNUSABLE: "openssl cannot read a private key, or finds it invalid",
    Code.KEY_OTHER: "the private key is not that of the certificate",
    Code.SOURCE_KEY_OTHER: "the key that the private key was made from is not that of the certificate",
    Code.CSR_UNREADABLE: "openssl cannot read the CSR",
    Code.CSR_SIGNATURE: "the CSR was changed after it was signed",
    Code.CSR_NAME: "the CSR is for another name than the directory's",
    Code.CSR_OTHER: "the CSR is of another key than the certificate",
    Code.CERTIFICATE_UNREADABLE: "openssl cannot read the certificate",
    Code.CERTIFICATE_NAME: "the certificate's CN is not the directory's name",
    Code.CERTIFICATE_SUBJECT: "the certificate's subject has more than a CN",
    Code.CERTIFICATE_VERSION: "the certificate is of version 1, which cannot say what it is for",
    Code.CERTIFICATE_IS_CA: "the certificate is one of a CA",
    Code.KEY_USAGE: "the key usage is not that of the guide, or not critical",
    Code.EXTENDED_KEY_USAGE: "the extended key usage is not that of the guide, or not critical",
    Code.NOT_YET_VALID: "the certificate is not valid yet",
    Code.EXPIRED: "the certificate has expired",
    Code.OUTLIVES_CA: "the certificate is valid longer than ca.crt, with which it ends",
    Code.KEY_TYPE: "the certificate's key is on a curve that TLS 1.3 does not know",
    Code.KEY_WEAK: "the certificate's key is too short",
    Code.KEY_SHARED: "another device, or ca.crt, has the same key",
    Code.SIGNATURE_WEAK: "the certificate is signed with a digest that gateways refuse",
    Code.UNTRUSTED: "openssl does not accept the certificate as one that ca.crt vouches for",
    Code.PURPOSE: "the certificate leads to ca.crt, but not as one for TLS clients",
    Code.SERIAL_DUPLICATE: "another device, or ca.crt, has a certificate of the same serial number",
    Code.SERIAL_INVALID: "the serial number is not positive, or longer than 20 bytes",
    Code.CHAIN_ORDER: "a joined file holds what it should in another order",
    Code.CHAIN_OTHER: "a joined file does not hold what it joins",
    Code.CA_LINK: "the link to the server's CA leads nowhere, or to something else",
    Code.ROOT_CRT_MISSING: "there is no root.crt, by which the device knows its gateway",
    Code.ROOT_CRT_WITHOUT_ROOT: "root.crt holds no self-signed root, and ends when the gateway renews its certificate",
    Code.ROOT_CRT_EXPIRED: "what root.crt trusts has expired",
    Code.ROOT_CRT_NOT_YET_VALID: "what root.crt trusts is not valid yet",
    Code.RECORDED_OTHER: "the certificate is another than the one that was recorded last",
    Code.NOT_RECORDED: "there are records, and none tells of the certificate",
    Code.NOT_VERIFIED: "something could not be verified",
    Code.CA_NOT_A_CA: "ca.crt is not one of a CA",
    Code.CA_WITHOUT_ROOT: "ca.crt holds no self-signed root: a gateway that knows it alone refuses devices",
    Code.CA_PURPOSE: "ca.crt forbids certificates for clients",
    Code.CA_EXPIRED: "ca.crt has expired",
    Code.CA_NOT_YET_VALID: "ca.crt is not valid yet",
}


# Of a kind and in words; which device it is about is known to whoever asks.
Fault = tuple[Code, str]


class Finding(NamedTuple):
    """One thing that is wrong: with which device (or FLEET_ROOT, or RECORDS), of which kind, and how, in words."""

    device: str
    code: Code
    words: str
