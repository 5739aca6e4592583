"""The packets of a running host in bulk."""
