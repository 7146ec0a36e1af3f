"""The openssl commands of the OTA Connect device guide, run exactly as audited."""

__version__ = "0.1.0"
