"""Whether a CSR that was made elsewhere is signed for a device, by what it says."""

from otaopenssl.certificate_request import CertificateRequest
from otaopenssl.errors import Error, Failed, quoted
from otaopenssl.ids import DeviceUUID
from otaopenssl.key_kind import described, key_kind, rsa_numbers

_FEWEST_RSA_BITS = 2048
# FIPS 186-5, 5.1, sets the upper bound; below the lower one anybody can sign.
_SMALLEST_EXPONENT, _MOST_EXPONENT_BITS = 3, 256
_EXPECTED = f"expected EC P-256 or P-384, RSA of {_FEWEST_RSA_BITS} bits or more, or Ed25519"
_KEY_HINT = "have the device make a key of one of these kinds"
_NAME_HINT = "name the device by its CN, or have the CSR made with the device UUID as its CN"


def request_faults(request: CertificateRequest, uuid: DeviceUUID, shown: str) -> list[Error]:
    """Each reason why the CSR is not signed for this device; expected, then got. ``shown`` names it in messages."""
    faults: list[Error] = []
    if request.common_names != (uuid,):
        got = quoted(", ".join(request.common_names)) if request.common_names else "none"
        faults.append(Failed(f"{shown}: expected CN {quoted(uuid)}, got {got}", hint=_NAME_HINT))
    for value in request.other_names:
        # OTA Community Edition's gateway looks for it in the subject as one text.
        if "cn=" in value.lower() or not value.isprintable():
            words = f"{shown}: its subject holds {quoted(value)}, which may pass for another device"
            faults.append(Failed(words, hint="have the CSR made with the device UUID as its CN alone"))
    return faults + _key_faults(request.public_key, shown)


def request_warnings(request: CertificateRequest, shown: str) -> tuple[str, ...]:
    """What is told of a CSR that is signed."""
    if not request.asked:
        return ()
    return (f"{shown} asks for {', '.join(request.asked)}, which the certificate does not get",)


def _key_faults(public_key: bytes, shown: str) -> list[Error]:
    kind = key_kind(public_key)
    if kind in ("EC P-256", "EC P-384", "Ed25519"):
        return []
    numbers = rsa_numbers(public_key)
    if kind != "RSA" or numbers is None:
        words = f"{shown}: its key is of another kind: {_EXPECTED}, got {described(public_key)}"
        return [Failed(words, hint=_KEY_HINT)]
    modulus, exponent = numbers
    if modulus.bit_length() < _FEWEST_RSA_BITS:
        words = f"{shown}: its key is too short: {_EXPECTED}, got RSA of {modulus.bit_length()} bits"
        return [Failed(words, hint=_KEY_HINT)]
    is_odd = modulus % 2 and exponent % 2
    if not is_odd or exponent < _SMALLEST_EXPONENT or exponent.bit_length() > _MOST_EXPONENT_BITS:
        words = f"{shown}: its RSA key is none that keeps a secret: expected an odd modulus and an odd exponent of"
        return [Failed(f"{words} {_SMALLEST_EXPONENT} to {_MOST_EXPONENT_BITS} bits", hint=_KEY_HINT)]
    return []
