# Add one more person's signature to those of an approval. Needs OpenSSL 3.0.

openssl cms -resign -binary -cades -inform DER -in "${sealed_dir}/${sealed_name}.p7s" -signer "${signer_cert}" \
  -inkey "${signer_key}" -passin stdin -outform DER -out "${sealed_dir}/${sealed_name}.added.p7s"
