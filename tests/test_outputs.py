"""openssl's text is read alike whichever version printed it, and what is not such text is not taken for it."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from otaopenssl.answer import certificate_lines
from otaopenssl.cnf import parse_config
from otaopenssl.complaints import first_complaint, is_config_fault
from otaopenssl.errors import BadInput
from otaopenssl.outputs import is_whole_der, parse_certificate_report, parse_time, parse_version, pem_blocks, serial_hex

REPORTS = Path(__file__).parent / "reports"


@pytest.mark.parametrize("version", ["1.1.1", "3.0", "3.5", "4.0"])
def test_report_of_every_version(version: str) -> None:
    """The same facts are read from the reports of OpenSSL 1.1.1 to 4.0, which differ in layout."""
    report = parse_certificate_report((REPORTS / f"device-{version}.txt").read_text())
    assert report is not None
    assert report.version == 3
    assert report.common_names == ("SAJWA1C78D8V38055",)
    assert report.issuer.replace(" ", "") == "CN=ota-devices-CA"
    assert report.serial == 0x3C96F1B0A5D9E4778C0E4D8F9A2B61C05D7E8F90
    assert report.not_after.tzinfo is UTC
    assert 360 < (report.not_after - report.not_before).days < 370
    assert (report.key_usage, report.key_usage_is_critical) == (("Digital Signature",), True)
    assert report.extended_key_usage == ("TLS Web Client Authentication",)
    assert report.extended_key_usage_is_critical
    assert report.is_ca is None
    assert not report.may_sign_certificates
    assert report.signature_algorithm == "ecdsa-with-SHA256"


def changed(old: str, new: str) -> str:
    text = (REPORTS / "device-3.0.txt").read_text()
    assert old in text
    return text.replace(old, new, 1)


def test_small_serial_numbers() -> None:
    """A serial number of up to 64 bits stands on its own line in both notations."""
    lines = (REPORTS / "device-3.0.txt").read_text().splitlines()
    at = next(index for index, line in enumerate(lines) if "Serial Number" in line)
    lines[at : at + 2] = ["        Serial Number: 4096 (0x1000)"]
    report = parse_certificate_report("\n".join(lines))
    assert report is not None
    assert report.serial == 4096


@pytest.mark.parametrize(
    "missing", ["Serial Number:", "Issuer:", "Not Before:", "Not After :", "Version:", "Subject: "]
)
def test_reports_that_are_not_whole(missing: str) -> None:
    """Where a fact is missing there is no report."""
    assert parse_certificate_report(changed(missing, "Nothing")) is None
    assert parse_certificate_report("") is None


def test_several_names() -> None:
    """The CN is found among other fields of either notation; two CNs are two."""
    for subject in ("C = DE, O = Fleet, CN = u1", "C=DE, O=Fleet, CN=u1", "O = Fleet + CN = u1"):
        report = parse_certificate_report(changed("Subject: CN = SAJWA1C78D8V38055", f"Subject: {subject}"))
        assert report is not None
        assert report.common_names == ("u1",)
    report = parse_certificate_report(changed("Subject: CN = SAJWA1C78D8V38055", "Subject: CN = u1, CN = u2"))
    assert report is not None
    assert report.common_names == ("u1", "u2")


def test_the_first_of_a_name_counts() -> None:
    """A later line that looks like the subject, as an extension may print one, changes nothing."""
    report = parse_certificate_report(
        changed("X509v3 extensions:", "X509v3 extensions:\n        Subject: CN = another")
    )
    assert report is not None
    assert report.common_names == ("SAJWA1C78D8V38055",)


@pytest.mark.parametrize("separator", ["\u2028", "\u0085", "\x1c", "\x0b", "\f", "\r"])
def test_a_name_cannot_pass_for_other_lines(separator: str) -> None:
    """OpenSSL 3.5 and later print line separators in a name as they are; only a newline ends a line here."""
    name = f"u1{separator}            X509v3 Basic Constraints: critical{separator}                CA:TRUE{separator}x"
    report = parse_certificate_report(changed("Subject: CN = SAJWA1C78D8V38055", f"Subject: CN = {name}"))
    assert report is not None
    assert report.common_names != ("u1",)
    assert report.is_ca is None


def test_times() -> None:
    """openssl's times are aware UTC; anything else is none."""
    assert parse_time("Nov  4 20:44:46 2026 GMT") == datetime(2026, 11, 4, 20, 44, 46, tzinfo=UTC)
    for text in ("", "Nov  4 20:44:46 2026", "Foo  4 20:44:46 2026 GMT", "Feb 31 00:00:00 2026 GMT", "Bad time value"):
        assert parse_time(text) is None


def test_pem_blocks() -> None:
    """Only whole lines begin or end a block; a subject that holds such a line's text is no block."""
    block = b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"
    assert [
        found.label for found in pem_blocks(b"text\n" + block + b"s:CN = -----BEGIN CERTIFICATE-----\n" + block)
    ] == [
        "CERTIFICATE",
        "CERTIFICATE",
    ]
    assert pem_blocks(block.replace(b"\n", b"\r\n"))[0].der == b"\x30\x00"
    assert pem_blocks(block[:-10]) == ()
    assert pem_blocks(block.replace(b"END CERTIFICATE", b"END X509 CRL")) == ()
    assert pem_blocks(block.replace(b"MAA=", b"M?A="))[0].der is None
    assert pem_blocks(b"") == ()


def test_whole_der() -> None:
    """A cut or lengthened encoding is not whole."""
    whole = b"\x30\x82\x01\x00" + b"\0" * 256
    assert is_whole_der(whole)
    assert is_whole_der(b"\x30\x00")
    for broken in (whole[:-1], whole + b"\0", b"", b"\x30", b"\x31\x00", b"\x30\x80\x00\x00", None):
        assert not is_whole_der(broken)


def test_certificate_lines_are_seds() -> None:
    """What is kept of s_client's output is what the guide's sed keeps, also of strange input."""
    begin, end = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
    inputs = [
        b"",
        b"a\n" + begin + b"\nMAA=\n" + end + b"\nb\n",
        begin + b"\nno end",
        end + b"\n" + begin + end + b"\nx\n" + end,
        b" s:" + begin + b"\r\nx\r\n" + end + b"\r\ny",
        begin + b"\n\0\xff\n" + end,
        b"\n\n" + begin,
    ]
    for content in inputs:
        sed = ["sed", "-n", "/-BEGIN CERTIFICATE-/,/-END CERTIFICATE-/p"]
        expected = subprocess.run(sed, input=content, check=True, capture_output=True, env={"LC_ALL": "C"}).stdout
        assert certificate_lines(content) == expected


def test_versions() -> None:
    """The version line of each product."""
    found = parse_version("OpenSSL 3.0.19 27 Jan 2026 (Library: OpenSSL 3.0.19 27 Jan 2026)\n")
    assert found is not None
    assert (found.product, found.number) == ("OpenSSL", (3, 0, 19))
    old = parse_version("OpenSSL 1.1.1w  11 Sep 2023")
    assert old is not None
    assert old.number == (1, 1, 1)
    libre = parse_version("LibreSSL 4.3.2")
    assert libre is not None
    assert libre.product == "LibreSSL"
    for name in ("AWS-LC", "BoringSSL"):
        found = parse_version(f"OpenSSL 1.1.1 (compatible; {name} 1.34.0)")
        assert found is not None
        assert found.product == name
    assert parse_version("OpenSSL 1.1.1 (compatible; BoringSSL)") == (
        "BoringSSL",
        (1, 1, 1),
        "OpenSSL 1.1.1 (compatible; BoringSSL)",
    )
    for text in ("", "garbage", "openssl 3.0.0", "OpenSSL", "OpenSSL x.y"):
        assert parse_version(text) is None


def test_first_complaint() -> None:
    """The first line that tells of a failure, without chatter, keys and control characters."""
    key = b"-----BEGIN PRIVATE KEY-----\nY2FuYXJ5\n-----END PRIVATE KEY-----\n"
    stderr = (
        b"read EC key\nwriting EC key\n" + key + b"Enter pass phrase for ca.key:\nCould not\x1b[2J read key\nmore\n"
    )
    assert first_complaint(stderr) == "Could not\\x1b[2J read key"
    assert first_complaint(b"read EC key\n") == ""
    assert len(first_complaint(b"x" * 10_000)) == 201
    assert first_complaint(b"\xff\xfe broken") != ""


@pytest.mark.parametrize(
    "stderr",
    [
        'req: Error on line 7 of config file "x"',
        "140:error:0E06D068:configuration file routines:str_copy:variable has no value:conf/conf_def.c:629:line 7",
        "Error Loading extension section default",
        "Error checking extension section default\n[11000082] X509 V3 routines:do_ext_nconf:unknown extension name",
        "unable to find 'distinguished_name' in config",
        "Error making certificate request",
    ],
)
def test_config_faults(stderr: str) -> None:
    """openssl's words for a configuration file that is wrong."""
    assert is_config_fault(stderr.encode())
    assert not is_config_fault(b"Could not read CA private key from ca.key")


def test_serial_hex() -> None:
    """As in ca.srl: pairs of digits in upper case."""
    assert [serial_hex(number) for number in (0, 10, 255, 256, 0x1ABC)] == ["00", "0A", "FF", "0100", "1ABC"]


def test_config_files() -> None:
    """Sections, comments, continuations, quotes and byte order marks are read as openssl reads them."""
    text = b'\xef\xbb\xbfa = 1 # c\r\n[ s ]\r\nb = x \\\n y\n# = [\nc="#no" # c\nt::d = 2\n\n.include /nonexistent\n'
    config = parse_config(text, "f")
    assert config.sections["default"] == {"a": "1"}
    assert config.sections["s"] == {"b": "x  y", "c": '"#no"'}
    assert config.sections["t"] == {"d": "2"}
    assert not config.is_complete
    assert (config.value("s", "a"), config.value("s", "nosuch")) == ("1", None)
    for broken, line in ((b"a\n", 1), (b"a = 1\n[s\n", 2), (b"a = 1\\\nb\nc\n", 3)):
        with pytest.raises(BadInput, match=f"^f, line {line}: "):
            parse_config(broken, "f")
    with pytest.raises(BadInput, match="NUL"):
        parse_config(b"a = \0", "f")
