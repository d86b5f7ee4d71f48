"""What happened: refusals, counted and logged, without a secret and without a bound to grow past."""
