# Try a device directory at a gateway: openssl's own as the first command starts it (rehearsal), or a real one.
# Each s_client sends one HTTP request. With the device's certificate it is to be accepted; without one, and with a
# certificate of another root, it is to be refused. Source: this tool; the gateway is set up as OTA Community Edition's.

openssl s_server -accept 127.0.0.1:${device_gateway_port} -cert "${SERVER_DIR}/server.crt" -key "${SERVER_DIR}/server.key" \
  -cert_chain "${SERVER_DIR}/server_ca.pem" -CAfile "${DEVICES_DIR}/ca.crt" -Verify 10 -verify_return_error -www

openssl s_client -connect ${device_gateway}:${device_gateway_port} -servername $device_gateway -tls1_2 -quiet \
  -cert "${device_dir}/client.pem" -key "${device_dir}/pkey.pem" \
  -verifyCAfile "${device_dir}/root.crt" -partial_chain -verify_return_error
openssl s_client -connect ${device_gateway}:${device_gateway_port} -servername $device_gateway -tls1_3 -quiet \
  -cert "${device_dir}/client.pem" -key "${device_dir}/pkey.pem" \
  -verifyCAfile "${device_dir}/root.crt" -partial_chain -verify_return_error

openssl s_client -connect ${device_gateway}:${device_gateway_port} -servername $device_gateway -tls1_2 -quiet \
  -verifyCAfile "${device_dir}/root.crt" -partial_chain -verify_return_error
openssl s_client -connect ${device_gateway}:${device_gateway_port} -servername $device_gateway -tls1_3 -quiet \
  -verifyCAfile "${device_dir}/root.crt" -partial_chain -verify_return_error
