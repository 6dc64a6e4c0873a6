"""What can be asked of Train."""

from __future__ import annotations

from typing import Literal

from pipelines.params import MOST_SEED, NamedFile, Params, Seed, param

Model = Literal["gan", "gan-dense", "vae", "pixelcnn", "diffusion", "stylemix", "cnn"]
Data = Literal["drawn", "mnist", "fashion", "cifar10"]
Capacity = Literal["tiny", "small", "bundled"]
GAN = ["gan", "gan-dense"]
LARGER = [*GAN, "diffusion", "cnn"]  # networks of any side; the others are of 28 or 32 pixels


class TrainParams(Params):
    """Train a network from nothing, watch its pictures come out of noise, and use it in the tab of its kind.

    The recipes are those that made the bundled networks. Digits drawn by code need no download and never repeat.
    """

    model: Model = param("gan", label="Network", description="What to train")
    data: Data = param("drawn", label="Data", description="Digits drawn by code, or a data set, fetched on request")
    pictures: NamedFile = param(
        "",
        label="Pictures of your own",
        description="A .zip, or a folder, of 50 or more; 2 to 100 folders in it are classes; empty: the data above",
        max_length=600,
        suffix=".zip",
    )
    side: Literal["32", "64"] = param(
        "32",
        label="Pixels of a side",
        description="Your pictures are made square and this wide; 64 is four times the work",
        when={"model": LARGER, "pictures": []},
    )
    minutes: float = param(
        3.0, ge=0.02, le=600, label="Minutes", description="As good as it gets in this time, on this machine"
    )
    capacity: Capacity = param(
        "small", label="Size of the network", description="Small ones learn more in minutes, large ones more in hours"
    )
    loss: Literal["recipe", "hinge", "non-saturating", "wasserstein-gp"] = param(
        "recipe", label="Loss", description="Of the game: as in its recipe, or another", when={"model": GAN}
    )
    penalty: float = param(
        10.0,
        ge=0,
        le=100,
        label="Gradient penalty",
        description="Weight in Wasserstein's loss; 0: none",
        when={"model": GAN, "loss": ["wasserstein-gp"]},
    )
    beta: float = param(
        1.0,
        ge=0,
        le=50,
        label="Beta",
        description="Weight of the KL: more keeps less of a picture in its code",
        when={"model": ["vae"]},
    )
    style: float = param(
        1.0,
        ge=0,
        le=10,
        label="Style's loss",
        description="Weight of being read in the right style; 0: nobody asks for styles",
        when={"model": ["stylemix"]},
    )
    latent: int = param(
        0,
        ge=0,
        le=128,
        label="Latent numbers",
        description="Of a VAE's code or a GAN's noise; 2 make a VAE's map; 0: as in the recipe",
        when={"model": [*GAN, "vae"]},
    )
    rate: float = param(
        0.0,
        ge=0,
        le=10,
        label="Learning rate",
        description="The highest on the way; 0: as in the recipe",
        advanced=True,
    )
    batch: int = param(
        0, ge=0, le=2048, label="Batch", description="Pictures in a step; 0: as in the recipe", advanced=True
    )
    steps: int = param(
        0,
        ge=0,
        le=10_000_000,
        label="Steps",
        description="In place of minutes; 0: as many as the minutes allow",
        advanced=True,
    )
    seed: Seed = param(0, ge=-1, le=MOST_SEED, label="Seed", description="Start of the random numbers; -1 draws one")
