"""Pictures painted by code, one module each.

`paint(rng)` returns (SIZE, SIZE, 3) in [0, 1], the same for the same seed.
"""
