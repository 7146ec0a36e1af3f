# Make a self-signed fleet root CA.
# OTA Community Edition, scripts/start.sh, new_server.

openssl ecparam -genkey -name prime256v1 | openssl ec -out "${DEVICES_DIR}/ca.key"
openssl req -new -x509 -days 3650 -key "${DEVICES_DIR}/ca.key" -config "${CWD}/certs/device_ca.cnf" -out "${DEVICES_DIR}/ca.crt"
