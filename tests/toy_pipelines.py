"""Real diffusers pipelines at toy size with random weights, written to a folder by `save_pretrained` like any other.

Tokenizers are made here, of single characters, so nothing is fetched.
"""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

SETTINGS: dict[str, dict[str, Any]] = {  # of each method at toy size, pictures aside
    "compare": {"size": 64, "methods": "gatys:adam:steps=3:start=noise"},
    "gatys": {"size": 64, "steps": 3, "start": "noise", "optimizer": "adam"},
    "stylize": {"size": 64},
    "gan": {"count": 40},
    "stylemix": {"count": 20},
    "vae": {"count": 3},
    "pixelcnn": {"count": 2},
    "diffusion": {"count": 2, "steps": 3},
    "imagine": {"model": "toy:sd", "adapter": "toy:sd/ip_adapter", "steps": 3, "size": 64},
    "explore": {"view": "invert", "resolution": 48, "layer": "conv1_1", "steps": 3},
}
STEPS = {"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
CLIP = {"hidden_size": 32, "intermediate_size": 37, "num_hidden_layers": 2, "num_attention_heads": 4}


def letters() -> list[str]:
    """The 256 characters that byte-level tokenizers write bytes as."""
    from tokenizers.pre_tokenizers import ByteLevel

    return sorted(ByteLevel.alphabet())


def clip_tokenizer() -> Any:
    """CLIP's tokenizer, one token a character."""
    from transformers import CLIPTokenizer

    words = ["<|startoftext|>", "<|endoftext|>", *letters(), *(f"{letter}</w>" for letter in letters())]
    return CLIPTokenizer({word: i for i, word in enumerate(words)}, [], model_max_length=77)


def qwen_tokenizer() -> Any:
    """Qwen2's tokenizer, one token a byte, with a chat template of one line."""
    from transformers import Qwen2Tokenizer

    words = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *letters()]
    made = Qwen2Tokenizer({word: i for i, word in enumerate(words)}, [], model_max_length=512)
    made.chat_template = "{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>{% endfor %}"
    return made


def clip_config(**changes: Any) -> Any:
    from transformers import CLIPTextConfig

    sizes = {"vocab_size": 514, "bos_token_id": 0, "eos_token_id": 1, "projection_dim": 32, **CLIP}
    return CLIPTextConfig(**{**sizes, **changes})


def vae(channels: int = 4, **changes: Any) -> Any:
    from diffusers import AutoencoderKL

    blocks = {"down_block_types": ["DownEncoderBlock2D"] * 2, "up_block_types": ["UpDecoderBlock2D"] * 2}
    return AutoencoderKL(
        block_out_channels=[8, 16], layers_per_block=1, norm_num_groups=4, latent_channels=channels, sample_size=64,
        **{**blocks, **changes},
    )  # fmt: skip


def unet(**changes: Any) -> Any:
    from diffusers import UNet2DConditionModel

    sizes: dict[str, Any] = {
        "block_out_channels": (8, 16),
        "layers_per_block": 1,
        "sample_size": 32,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "cross_attention_dim": 32,
        "attention_head_dim": 4,
        "norm_num_groups": 4,
    }
    return UNet2DConditionModel(**{**sizes, **changes})


def image_encoder() -> Any:
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    return CLIPVisionModelWithProjection(CLIPVisionConfig(image_size=32, patch_size=8, projection_dim=32, **CLIP))


def safety_checker() -> Any:
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
    from transformers import CLIPConfig

    vision = {"image_size": 32, "patch_size": 8, **CLIP}
    return StableDiffusionSafetyChecker(CLIPConfig(vision_config=vision, text_config=dict(CLIP), projection_dim=32))


def stable_diffusion(checker: bool = False) -> Any:
    from diffusers import PNDMScheduler, StableDiffusionPipeline
    from transformers import CLIPImageProcessor, CLIPTextModel

    size = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
    return StableDiffusionPipeline(
        vae=vae(),
        text_encoder=CLIPTextModel(clip_config()),
        tokenizer=clip_tokenizer(),
        unet=unet(),
        scheduler=PNDMScheduler(skip_prk_steps=True, steps_offset=1, **STEPS),
        safety_checker=safety_checker() if checker else None,
        feature_extractor=CLIPImageProcessor(**size) if checker else None,
        requires_safety_checker=checker,
    )


def stable_diffusion_xl() -> Any:
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    denoiser = unet(
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        transformer_layers_per_block=(1, 2),
        projection_class_embeddings_input_dim=80,
        cross_attention_dim=64,
    )
    return StableDiffusionXLPipeline(
        vae=vae(force_upcast=True, scaling_factor=0.13025),
        text_encoder=CLIPTextModel(clip_config(hidden_act="gelu")),
        text_encoder_2=CLIPTextModelWithProjection(clip_config(hidden_act="gelu")),
        tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer(),
        unet=denoiser,
        scheduler=EulerDiscreteScheduler(steps_offset=1, timestep_spacing="leading", **STEPS),
    )


def z_image() -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler, ZImagePipeline, ZImageTransformer2DModel
    from transformers import Qwen3Config, Qwen3Model

    text = Qwen3Config(
        vocab_size=300, hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, head_dim=8, max_position_embeddings=512,
    )  # fmt: skip
    denoiser = ZImageTransformer2DModel(
        in_channels=16, dim=32, n_layers=2, n_refiner_layers=1, n_heads=2, n_kv_heads=2, cap_feat_dim=16,
        axes_dims=[8, 4, 4], axes_lens=[256, 32, 32],
    )  # fmt: skip
    for parameter in denoiser.parameters():  # its padding tokens are made empty, to be filled from a file
        if not bool(torch.isfinite(parameter).all()) or float(parameter.abs().max()) > 10:
            nn.init.normal_(parameter, std=0.02)
    return ZImagePipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=vae(16, use_quant_conv=False, use_post_quant_conv=False, scaling_factor=0.3611, shift_factor=0.1159),
        text_encoder=Qwen3Model(text),
        tokenizer=qwen_tokenizer(),
        transformer=denoiser,
    )


def ip_adapter(pipe: Any, folder: Path) -> None:
    """`ip_adapter.safetensors` and `image_encoder/` for a UNet pipeline, as h94/IP-Adapter lays them out."""
    width = pipe.unet.config.cross_attention_dim
    tensors = {
        "image_proj.proj.weight": torch.randn(4 * width, 32) / 8,
        "image_proj.proj.bias": torch.zeros(4 * width),
        "image_proj.norm.weight": torch.ones(width),
        "image_proj.norm.bias": torch.zeros(width),
    }
    for number, (name, processor) in enumerate(pipe.unet.attn_processors.items()):
        if name.endswith("attn2.processor"):
            layer = pipe.unet.get_submodule(name.removesuffix(".processor"))
            tensors[f"ip_adapter.{number}.to_k_ip.weight"] = torch.randn_like(layer.to_k.weight) / 2
            tensors[f"ip_adapter.{number}.to_v_ip.weight"] = torch.randn_like(layer.to_v.weight) / 2
        del processor
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "ip_adapter.safetensors")
    image_encoder().save_pretrained(folder / "image_encoder")


def lora(module: nn.Module, prefix: str, path: Path) -> None:
    """A LoRA of rank 2 on the attention of `module`, in the layout that diffusers writes."""
    tensors: dict[str, torch.Tensor] = {}
    for name, layer in module.named_modules():
        if isinstance(layer, nn.Linear) and name.rpartition(".")[2] in {"to_q", "to_k", "to_v"}:
            tensors[f"{prefix}.{name}.lora_A.weight"] = torch.randn(2, layer.in_features)
            tensors[f"{prefix}.{name}.lora_B.weight"] = torch.randn(layer.out_features, 2)
    save_file(tensors, path)


BUILDERS = {
    "sd": stable_diffusion,
    "checked": lambda: stable_diffusion(checker=True),
    "sdxl": stable_diffusion_xl,
    "zimage": z_image,
}


@cache
def folder(name: str) -> Path:
    """Where the toy pipeline `name` of BUILDERS lies; made once a process, removed at its end."""
    top = Path(tempfile.mkdtemp(prefix="atelier-toys-"))
    atexit.register(shutil.rmtree, top, ignore_errors=True)
    return write(name, top / name)


def write(name: str, target: Path) -> Path:
    """Write the toy pipeline `name` of BUILDERS to `target`, with an IP-Adapter and a LoRA beside it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(len(name))
        pipe = BUILDERS[name]()
        pipe.save_pretrained(target)
        if hasattr(pipe, "unet"):
            ip_adapter(pipe, target / "ip_adapter")
            lora(pipe.unet, "unet", target / "lora.safetensors")
        else:
            lora(pipe.transformer, "transformer", target / "lora.safetensors")
    index = json.loads((target / "model_index.json").read_text())
    assert index["_class_name"] == type(pipe).__name__
    return target


def settings(method: str) -> dict[str, Any]:
    """SETTINGS of a method, with the folders of toy pipelines in the place of `toy:NAME/FILE`."""

    def place(value: Any) -> Any:
        if not str(value).startswith("toy:"):
            return value
        name, _, file = value[4:].partition("/")
        return str(folder(name) / file)

    return {name: place(value) for name, value in SETTINGS[method].items()}
