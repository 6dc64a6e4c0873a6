"""Where one machine is not enough: Ray Serve runs the methods for the page, Ray Data runs them over many pictures.

An optional extra (requirements-ray.txt); docs/scale.md says when, and what it costs.
"""
