# Put a device's key, its certificate and the fleet root CA's certificate into one PKCS#12 file (RFC 7292), encrypted.
# The passphrase comes on standard input, in one line.

openssl pkcs12 -export -in "${device_dir}/client.pem" -inkey "${device_dir}/pkey.pem" -certfile "${DEVICES_DIR}/ca.crt" \
  -name "${DEVICE_UUID}" -keypbe AES-256-CBC -certpbe AES-256-CBC -macalg sha256 -passout stdin \
  -out "${export_dir}/device.p12"
