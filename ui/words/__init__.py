"""What the page says, in English and Chinese: `frame` for all tabs, `models` for theirs, and one module a method.

A method's module has `CHINESE` (English text -> Chinese) and `HOW_TO`, its short text for a student: (English, Chinese)
pairs, and equations that need no translation.
"""

from __future__ import annotations

from ui.words import compare, diffusion, explore, frame, gan, gatys, imagine, models, pixelcnn, stylemix, stylize, vae

_METHODS = {
    "compare": compare,
    "gatys": gatys,
    "stylize": stylize,
    "gan": gan,
    "stylemix": stylemix,
    "vae": vae,
    "pixelcnn": pixelcnn,
    "diffusion": diffusion,
    "imagine": imagine,
    "explore": explore,
}
HOW_TO: dict[str, tuple[str | tuple[str, str], ...]] = {
    name: module.HOW_TO for name, module in _METHODS.items() if module.HOW_TO
}
# What English readers see of a choice whose name is made for the command line.
ENGLISH = frame.ENGLISH
CHINESE: dict[str, str] = (
    frame.CHINESE
    | models.CHINESE
    | {
        english: chinese
        for module in _METHODS.values()
        for english, chinese in (*module.CHINESE.items(), *(part for part in module.HOW_TO if isinstance(part, tuple)))
    }
)
