# Fetch the device gateway's root certificate, port 8000.
# OTA Connect Developer Guide (2019.7), Device Certificate Generation, step 4.

openssl s_client -connect ${device_gateway}:8000 -servername $device_gateway -showcerts | \
  sed -n '/-BEGIN CERTIFICATE-/,/-END CERTIFICATE-/p' > ${device_dir}/root.crt
