# Make a server CA and a server certificate for the gateway of an own OTA server.
# OTA Community Edition, scripts/gen-server-certs.sh.

openssl ecparam -genkey -name prime256v1 | openssl ec -out "${SERVER_DIR}/ca.key"
openssl req -new -x509 -days 3650 -config "${CWD}/certs/server_ca.cnf" -key "${SERVER_DIR}/ca.key" -out "${SERVER_DIR}/server_ca.pem"
openssl ecparam -genkey -name prime256v1 | openssl ec -out "${SERVER_DIR}/server.key"
openssl req -new -key "${SERVER_DIR}/server.key" -config "${CWD}/certs/server.cnf" -out "${SERVER_DIR}/server.csr"
openssl x509 -req -days 3650 -in "${SERVER_DIR}/server.csr" -CAcreateserial -extfile "${CWD}/certs/server.ext" \
  -CAkey "${SERVER_DIR}/ca.key" -CA "${SERVER_DIR}/server_ca.pem" -out "${SERVER_DIR}/server.crt"
cat "${SERVER_DIR}/server.crt" "${SERVER_DIR}/server_ca.pem" > "${SERVER_DIR}/server.chain.pem"
