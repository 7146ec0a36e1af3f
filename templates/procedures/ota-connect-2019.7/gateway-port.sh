# Fetch the device gateway's root certificate from another port than 8000 (departure gateway-port).
# OTA Connect Developer Guide (2019.7), Device Certificate Generation, step 4, with the port as a place.

openssl s_client -connect ${device_gateway}:${device_gateway_port} -servername $device_gateway -showcerts | \
  sed -n '/-BEGIN CERTIFICATE-/,/-END CERTIFICATE-/p' > ${device_dir}/root.crt
