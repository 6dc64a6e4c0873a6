"""The methods. Each is one file and one name here."""

from pipelines import gatys
from pipelines.base import Pipeline

PIPELINES: dict[str, Pipeline] = {p.name: p for p in (gatys.PIPELINE,)}  # type: ignore[type-arg]
