"""Words of `diffusion`: English -> Chinese, and its short text for a student in both."""

from __future__ import annotations

CHINESE: dict[str, str] = {
    "Diffusion": "扩散",
    # settings
    "Pictures, how they come about, or what noise does": "图片、图片的形成过程，或噪声的作用",
    "pictures": "图片",
    "strip": "去噪过程",
    "schedulers": "各采样器并排",
    "forward": "给图片加噪",
    "interpolate": "两图之间",
    "quality": "质量随步数",
    "How to walk from noise to picture; heun asks the network twice a step": "如何从噪声走到图片；Heun 每步询问网络两次",
    "ddpm": "DDPM（随机）",
    "dpm++": "DPM-Solver++（快速）",
    "heun": "Heun（二阶）",
    "Steps from noise to picture": "从噪声到图片的步数",
    "How much to exaggerate the class; 1: as learned, 0: no class": "把类别强调多少；1 为原样，0 为不看类别",
    "Picture": "图片",
    "To noise, to invert, or to begin between two; none: one of its own": "用于加噪、反演，或作为两图之间的起点；留空则用模型自己的",
    "Where to end between two pictures; none: one of its own": "两图之间的终点；留空则用模型自己的",
    "Fresh noise": "新噪声",
    "DDIM's eta: 0 adds none on the way, 1 as DDPM": "DDIM 的 eta：0 途中不加噪声，1 与 DDPM 相同",
    "Pictures measured": "测量张数",
    "For quality against steps": "用于质量随步数曲线",
    "An unconditional diffusers id or folder; empty: the bundled one": "无条件 diffusers 模型的 id 或文件夹；留空则用自带模型",
    # the tab
    "Models of the hub": "Hub 上的模型",
    "Trained by others, on photographs, without classes. Slow on a processor.": "由他人用照片训练，没有类别。在 CPU 上较慢。",
    "The bundled one": "自带模型",
    "Fetch the model that is named above": "下载上面指定的模型",
    "Name a model first.": "请先指定一个模型。",
    "Asking the hub": "正在询问 Hub",
    "Moment": "时刻",
    "Drag through the run": "拖动以浏览整个过程",
    "From noise to picture": "从噪声到图片",
    "From noise to picture: the noisy picture, and what the network expects.": "从噪声到图片：带噪图片，以及网络预期的图片。",
    "Left: the noisy pictures. Right: what the network expects.": "左：带噪图片。右：网络预期的图片。",
    # what the pictures show
    "rows: the noisy picture x_t, and below it the picture that the network expects": "各行：带噪图片 x_t，其下是网络预期的图片",
    "beside each row: its scheduler, and how often the network was asked": "每行旁边：采样器，以及询问网络的次数",
    "the pictures are: given, its noise, made again": "图片依次为：所给图片、它的噪声、重新生成的图片",
    "rows: to noise, and back, and what is expected there": "各行：走向噪声、走回来、途中网络预期的图片",
    # numbers of a run
    "off": "偏差",
    "psnr": "峰值信噪比",
    "spread of the noise": "噪声的标准差",
}

HOW_TO: tuple[str | tuple[str, str], ...] = (
    (
        "In training, a picture x0 is mixed with noise: a little at time t = 0, almost nothing else at t = 999. The network sees the mixture and t, and learns to tell the two apart. To make a picture, start from pure noise, ask the network what the picture might be, take away a little of the noise, and ask again. Early steps settle which digit and where, late ones its edges.",
        "训练时，图片 x0 与噪声混合：t = 0 时只有一点，t = 999 时几乎全是噪声。网络看到混合结果和 t，学会把两者分开。生成时从纯噪声开始，问网络图片可能是什么，去掉一点噪声，再问一次。早期的步决定是哪个数字、在哪里，后期的步决定边缘。",
    ),
    r"$$x_t = \sqrt{\bar\alpha_t}\, x_0 + \sqrt{1 - \bar\alpha_t}\; \epsilon, \qquad"
    r" v = \sqrt{\bar\alpha_t}\, \epsilon - \sqrt{1 - \bar\alpha_t}\; x_0, \qquad"
    r" \hat v = \hat v_\varnothing + w\, (\hat v_y - \hat v_\varnothing)$$",
    (
        "The network here predicts v; from it both the noise and the picture follow. Guidance w asks twice, with the class y and without, and goes further in the direction in which they differ: more typical pictures, fewer kinds. A scheduler decides how to walk. DDPM and DDIM with fresh noise draw new noise on the way; the others follow one fixed path, so they make nearly the same pictures of the same noise. DPM-Solver++ and UniPC remember earlier steps, Heun looks ahead and pays with a second call: they need fewer steps. That path can be walked backwards: invert finds the noise of a picture, and between two pictures goes along the sphere from one noise to the other.",
        "这里的网络预测 v，由它可同时得到噪声和图片。引导 w 会问两次：带类别 y 与不带类别，再沿两者之差走得更远：图片更典型，但种类更少。采样器决定怎么走。DDPM 和带新噪声的 DDIM 途中会加入新噪声；其余的沿一条固定路径走，因此同样的噪声会得到几乎相同的图片。DPM-Solver++ 和 UniPC 记住之前的步，Heun 向前看一步但要多问一次：它们所需步数更少。这条路可以倒着走：反演找到一张图片的噪声；两图之间则沿球面从一个噪声走到另一个。",
    ),
    (
        "Ho, Jain and Abbeel, Denoising Diffusion Probabilistic Models, 2020 (arXiv 2006.11239); Song, Meng and Ermon, Denoising Diffusion Implicit Models, 2020 (arXiv 2010.02502); Ho and Salimans, Classifier-Free Diffusion Guidance, 2022 (arXiv 2207.12598). One thing to try: show schedulers with 5 steps, then with 50, and see which of them agree.",
        "Ho、Jain 与 Abbeel，《Denoising Diffusion Probabilistic Models》，2020（arXiv 2006.11239）；Song、Meng 与 Ermon，《Denoising Diffusion Implicit Models》，2020（arXiv 2010.02502）；Ho 与 Salimans，《Classifier-Free Diffusion Guidance》，2022（arXiv 2207.12598）。试一试：并排显示各采样器，先用 5 步，再用 50 步，看看哪些结果一致。",
    ),
)
