"""The methods. Each is one file and one name here."""

from pipelines import compare, diffusion, explore, gan, gatys, imagine, pixelcnn, stylemix, stylize, train, vae
from pipelines.base import Pipeline

METHODS: dict[str, Pipeline] = {  # type: ignore[type-arg]
    p.name: p
    for p in (
        gatys.PIPELINE,
        stylize.PIPELINE,
        gan.PIPELINE,
        stylemix.PIPELINE,
        vae.PIPELINE,
        pixelcnn.PIPELINE,
        diffusion.PIPELINE,
        imagine.PIPELINE,
    )
}
PIPELINES: dict[str, Pipeline] = {  # type: ignore[type-arg]
    "compare": compare.method(METHODS),
    **METHODS,
    # These make nothing that could be compared.
    "explore": explore.PIPELINE,
    "train": train.PIPELINE,
}
