"""What the guard costs, beside what a project would use instead: ``python -m benchmarks``."""
