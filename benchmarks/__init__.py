"""How fast fastdivert is, beside its peers and a C loop: ``python -m benchmarks``."""
