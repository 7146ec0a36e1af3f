"""Every openssl command that the tool runs besides those of the audited texts: none of them makes anything."""

from itertools import chain
from typing import NamedTuple


class Question(NamedTuple):
    """A command of the tool's own, which answers on standard output; a word in capitals is what is asked about."""

    words: tuple[str, ...]

    def argv(self, *files: str, **asked: str) -> tuple[str, ...]:
        """The command, with ``FILE`` replaced by ``file``, and so on; ``FILES`` by all the ``files``."""
        values = {name.upper(): value for name, value in asked.items()}
        words = (files if word == "FILES" else (values.get(word, word),) for word in self.words)
        return tuple(chain.from_iterable(words))


def _question(line: str) -> Question:
    return Question(tuple(line.split()))


VERSION = _question("openssl version -v -d")
# From 3.0 on.
PROVIDERS = _question("openssl list -providers")
CERTIFICATE_REPORT = _question("openssl x509 -in FILE -noout -text")
PUBLIC_KEY_REPORT = _question("openssl pkey -in FILE -noout -text_pub")
# Of a certificate that came from outside its key is asked for without a report, which may hold a text that looks like
# one; and it is printed anew, since openssl reads more forms of it than the one that it writes.
PUBLIC_KEY = _question("openssl x509 -in FILE -pubkey")
# Of a certificate that anybody may have put there, without what could look like a line of the report: the text of other
# extensions, and names that are not escaped. And of a device's CSR and keys, with the public key that each holds.
SHOWN_FACTS = _question(
    "openssl x509 -in FILE -noout -text -certopt no_extensions,no_sigdump -nameopt RFC2253"
    " -ext basicConstraints,keyUsage,extendedKeyUsage"
)
CERTIFICATE_FACTS = Question((*SHOWN_FACTS.words, "-pubkey"))
REQUEST_CHECK = _question("openssl req -in FILE -noout -verify -subject -nameopt RFC2253 -pubkey")
KEY_CHECK = _question("openssl pkey -in FILE -check -pubout")
HOST_CHECK = _question("openssl x509 -in FILE -noout -checkhost HOST")
ADDRESS_CHECK = _question("openssl x509 -in FILE -noout -checkip ADDRESS")
# -trusted alone: no certificate of the system vouches for another. When each is valid is told apart.
SIGNER_CHECK = _question("openssl verify -no_check_time -partial_chain -trusted TRUSTED FILE")
SERVER_USAGE_CHECK = _question("openssl verify -no_check_time -partial_chain -purpose sslserver -trusted FILE FILE")
SELF_SIGNED_CHECK = _question("openssl verify -no_check_time -check_ss_sig -trusted FILE FILE")
DEVICES_CHECK = _question("openssl verify -no_check_time -partial_chain -purpose sslclient -trusted TRUSTED FILES")
SERVER_CHECK = _question("openssl verify -purpose sslserver -trusted TRUSTED FILE")
# The archive comes on standard input, so that the private key in it is on no disk; -legacy is for what 3.0 calls so.
ARCHIVED_CAS = _question("openssl pkcs12 -nokeys -cacerts -passin pass:")
LEGACY_ARCHIVED_CAS = _question("openssl pkcs12 -legacy -nokeys -cacerts -passin pass:")
# What an export holds; its passphrase comes on standard input, and its key goes to the next process alone, which tells
# the public half.
EXPORTED_CERTIFICATES = _question("openssl pkcs12 -in FILE -nokeys -passin stdin")
EXPORTED_KEY = _question("openssl pkcs12 -in FILE -nocerts -nodes -passin stdin")
PIPED_KEY = _question("openssl pkey -pubout")
# Who has signed a file; -CAfile alone would trust the system's roots besides.
SIGNERS = _question(
    "openssl cms -verify -binary -cades -inform DER -in FILE -content CONTENT -CAfile CA"
    " -no-CApath -no-CAstore -purpose any -signer /dev/stdout -out /dev/null"
)
# Who has sealed a record, at the time that it names: the certificate may have expired since.
SEALERS = _question(
    "openssl cms -verify -binary -cades -inform DER -in FILE -content CONTENT -CAfile CA"
    " -no-CApath -no-CAstore -partial_chain -purpose any -attime SECONDS -signer /dev/stdout -out /dev/null"
)
# Whether signatures are those of a file, whoever made them.
INTACT = _question(
    "openssl cms -verify -noverify -binary -inform DER -in FILE -content CONTENT -signer /dev/stdout -out /dev/null"
)

QUESTIONS = (
    VERSION,
    PROVIDERS,
    CERTIFICATE_REPORT,
    PUBLIC_KEY_REPORT,
    PUBLIC_KEY,
    SHOWN_FACTS,
    CERTIFICATE_FACTS,
    REQUEST_CHECK,
    KEY_CHECK,
    HOST_CHECK,
    ADDRESS_CHECK,
    SIGNER_CHECK,
    SERVER_USAGE_CHECK,
    SELF_SIGNED_CHECK,
    SERVER_CHECK,
    DEVICES_CHECK,
    ARCHIVED_CAS,
    LEGACY_ARCHIVED_CAS,
    EXPORTED_CERTIFICATES,
    EXPORTED_KEY,
    PIPED_KEY,
    SIGNERS,
    SEALERS,
    INTACT,
)
