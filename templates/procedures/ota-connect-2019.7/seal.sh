# Sign the statement of a record, or an approval: a detached CMS signature that names its signer's certificate (CAdES).
# Needs OpenSSL 3.0. The passphrase of the key, where it has one, comes on standard input.

openssl cms -sign -binary -cades -in "${sealed_dir}/${sealed_name}" -signer "${signer_cert}" -inkey "${signer_key}" \
  -passin stdin -outform DER -out "${sealed_dir}/${sealed_name}.p7s"
