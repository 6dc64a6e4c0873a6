"""What can go wrong, in Chinese: English sentence with {} for what varies -> the same with {0}, {1}... in its order.

What varies is translated itself where it is one of these sentences or a word of the page.
"""

SENTENCES: dict[str, str] = {
    # settings
    "There is no setting named {}: use one of {}.": "没有名为 {0} 的设置：请使用 {1} 之一。",
    "{} is missing: {}.": "缺少“{0}”：{1}。",
    "{} has {} items: give {} to {}.": "“{0}”有 {1} 项：请给 {2} 到 {3} 项。",
    "{} is {}: choose one of {}.": "“{0}”是 {1}：请从 {2} 中选择。",
    "{} is {}: {} (allowed: {} to {}).": "“{0}”的值 {1} 不可用：允许 {3} 到 {4}。",
    "{} is {}: give numbers separated by commas.": "“{0}”是 {1}：请给用逗号分隔的数字。",
    "{} is {}: {}.": "“{0}”是 {1}：{2}。",
    "style_weights has {} numbers for {} styles: give one for each.": "{1} 张风格图却有 {0} 个风格权重：请每张给一个。",
    "style_weights are {}: give numbers from 0 up, at least one above 0.": "风格权重是 {0}：请给不小于 0 的数，且至少一个大于 0。",
    "There is no layer {} in this network: choose from {}.": "该网络没有层 {0}：请从 {1} 中选择。",
    "The weight of {} is {}: give a number, such as {}.": "{0} 的权重是 {1}：请给一个数，如 {2}。",
    "The weight of {} is {}: give a number above 0.": "{0} 的权重是 {1}：请给大于 0 的数。",
    "content_layers takes no weights: name the layers alone, and use content_weight.": "内容层不能带权重：只写层名，权重请用“内容权重”。",
    "The picture is {} pixels on its short side at this size but needs {}: choose a size of at least {}.": "此尺寸下图片短边为 {0} 像素，但需要 {1}：请把尺寸设为至少 {2}。",
    # pictures
    "{} is {}, which is not read as a picture: give a PNG or JPEG instead.": "{0} 是{1}，不能作为图片读取：请改用 PNG 或 JPEG。",
    "The picture came out as NaN: lower the weights or the learning rate, and run again.": "结果出现了 NaN：请降低权重或步长后重新运行。",
    "{} is empty (0 bytes): save or download it again.": "{0} 是空文件（0 字节）：请重新保存或下载。",
    "{} is over {} MB: make it smaller, or save it as JPEG.": "{0} 超过 {1} MB：请缩小，或另存为 JPEG。",
    "{} is {} pixels, but at most {} megapixels are read: make it smaller.": "{0} 有 {1} 像素，最多读取 {2} 百万像素：请缩小。",
    "{} is {} pixels, but each side must be at least {}: choose a larger picture.": "{0} 为 {1} 像素，每边至少要 {2}：请换一张更大的图片。",
    "{} is {} pixels, but one side may be at most {} times the other: crop it.": "{0} 为 {1} 像素，长边最多是短边的 {2} 倍：请裁剪。",
    "{} holds no finite value (all NaN or infinite): export it again.": "{0} 不含有效数值（全为 NaN 或无穷）：请重新导出。",
    "{} cannot be read ({}): check the path and who may read it.": "无法读取 {0}（{1}）：请检查路径与权限。",
    "{} has far over {} megapixels: make it smaller.": "{0} 远超 {1} 百万像素：请缩小。",
    "{} ({}) is damaged or cut short: save or download it again.": "{0}（{1}）已损坏或不完整：请重新保存或下载。",
    "{} is a web address: download the picture first and give the file.": "{0} 是网址：请先下载图片，再给出文件。",
    "{} is HEIC: `pip install pillow-heif` first, or export it as JPEG.": "{0} 是 HEIC：请先安装 pillow-heif，或导出为 JPEG。",
    "The picture": "这张图片",
    "a PDF document": " PDF 文档",
    "a ZIP archive or an office document": " ZIP 压缩包或办公文档",
    "a JPEG XL picture": " JPEG XL 图片",
    "a video or another media file": "视频或其他媒体文件",
    "of an unknown kind": "未知类型的文件",
    "an SVG drawing": " SVG 图形",
    "a web page": "网页",
    "text": "文本",
    # weights
    "{} is not on this machine, and {} forbids the download: put the file into the folder that ATELIER_WEIGHTS names, or unset it.": "本机没有 {0}，而 {1} 禁止下载：请把文件放入 ATELIER_WEIGHTS 所指的文件夹，或取消该设置。",
    "{} is not on this machine: fetch it in the Models tab, run {}, or put the file into the folder that ATELIER_WEIGHTS names.": "本机没有 {0}：请在“模型”页获取，或运行 {1}，或把文件放入 ATELIER_WEIGHTS 所指的文件夹。",
    "{} is not whole on this machine: fetch it in the Models tab, run {}, or put the file into the folder that ATELIER_WEIGHTS names.": "本机的 {0} 不完整：请在“模型”页重新获取，或运行 {1}，或把文件放入 ATELIER_WEIGHTS 所指的文件夹。",
    "{} is missing: it comes with the repository, so restore {}.": "缺少 {0}：它随仓库提供，请恢复 {1}。",
    "{}: {}. Try again (what arrived is kept), or put the file into the folder that ATELIER_WEIGHTS names.": "{0}：{1}。请重试（已下载部分会保留），或把文件放入 ATELIER_WEIGHTS 所指的文件夹。",
    "{}: {}. Downloads go to {} (ATELIER_CACHE).": "{0}：{1}。下载存放于 {2}（ATELIER_CACHE）。",
    "{} is not the {} that is needed: {}. Replace or remove it.": "{0} 不是所需的 {1}：{2}。请替换或删除。",
    "ATELIER_WEIGHTS is {}, which is not a folder: correct it or unset it.": "ATELIER_WEIGHTS 是 {0}，不是文件夹：请更正或取消。",
    # memory
    "{} ran out of memory: {} MiB needed, and {} MiB free. Choose a smaller size or model.": "{0} 内存不足：需要 {1} MiB，空闲 {2} MiB。请选择更小的尺寸或模型。",
    "{} has {} MiB free of the {} MiB needed; in use: {}. Choose a smaller size or model, or raise {}.": "{0} 需要 {2} MiB，空闲 {1} MiB；占用：{3}。请选择更小的尺寸或模型，或调高 {4}。",
    "The device ran out of memory: choose a smaller size.": "设备内存不足：请选择更小的尺寸。",
    "Something broke here, not in your input. Reference {} is in the server's log.": "是这里出了问题，与您的输入无关。服务器日志中的编号为 {0}。",
}
