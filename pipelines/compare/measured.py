"""What `make table` measured of a bundled generator, over thousands of pictures of its usual settings."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from models import weights
from pipelines.params import Params
from pipelines.record import Record

TABLE = weights.BUNDLED / "table.json"
NAMES = ("distance", "precision", "recall", "nats")  # those of pipelines/metrics.py that are too slow to take at once
FREE = ("seed", "label", "count", "dataset", "model")  # settings that do not change how good pictures are


def of(record: Record, params: Params) -> dict[str, float]:
    """The numbers of the generator that made a picture; none where its weights or its settings are not those that
    were measured."""
    given = params.model_dump(exclude=set(FREE), exclude_defaults=True)
    row = next((_rows()[digest] for digest in record.models.values() if digest in _rows()), {})
    return (
        {}
        if given != row.get("settings", {})
        else {name: float(row[name]) for name in NAMES if row.get(name) is not None}
    )


@cache
def _rows() -> dict[str, dict[str, Any]]:
    """Rows of the table by the sha256 of the weights."""
    rows = json.loads(TABLE.read_text("utf-8")).values() if TABLE.is_file() else ()
    return {row["sha256"]: row for row in rows if row.get("sha256")}
