"""The servers of tests that are Node.js programs."""

#: All at once: npm removes what is there and not asked for.
INSTALL = "npm install --no-save --prefix . kinesis-local@0.6.2 s3rver@3.7.1 azurite@3.35.0"
