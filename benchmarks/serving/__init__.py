"""What `benchmarks/serve.py` runs: a load generator, peers, and their processes."""
