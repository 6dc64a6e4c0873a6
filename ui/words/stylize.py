"""Words of `stylize`: English -> Chinese, and its short text for a student in both."""

from __future__ import annotations

CHINESE: dict[str, str] = {
    "Stylise": "快速风格化",
    "atelier": "Atelier 自有网络",
    "magenta": "谷歌 Magenta",
    "atelier is our own and always here; magenta is Google's, in a package or to be fetched": "Atelier 是自有网络，随时可用；Magenta 来自谷歌，在软件包中，或需先获取",
    "How large the style is shown to the network": "以多大的尺寸把风格图展示给网络",
    "Longest side of the result in pixels; 0: as large as the content": "结果最长边的像素数；0 为与内容图一样大",
    "Every style": "全部风格",
    "A sheet of the photograph in each of your styles and each example style": "一张总览：照片依次换上你的每种风格和每种示例风格",
    "Colours first": "先调色",
    "Recolour the styles before painting, not the picture afterwards": "在绘制前调整风格图的色彩，而不是在之后调整结果",
    "Steadiness": "稳定度",
    "Films: share of the frames before in what the norms see": "用于视频：归一化统计量中前面各帧所占的比例",
    "For the record: nothing here is random": "仅作记录：此方法没有随机性",
    "Surprise me": "给我惊喜",
    "Style pad": "风格混合板",
    "Drag the point, or use the arrow keys: the nearer a corner, the more of its style.": "拖动圆点或使用方向键：离哪个角越近，那种风格就越多。",
    "tiles": "图块",
    "style distance": "风格距离",
    "styles": "风格数",
    "flicker": "闪烁",
    "frames": "帧数",
}

HOW_TO: tuple[str | tuple[str, str], ...] = (
    (
        "Optimising a picture takes hundreds of steps. Here a network has learned what those steps come to: it reads a style as a list of numbers, how strong its layers' channels are and how they vary together, and paints the photograph with these in a single pass. Styles it was never shown work as well.",
        "优化一张图片需要数百步。这里由一个网络学会这些步骤的结果：它把风格读成一串数字，即各层通道有多强、彼此如何共同变化，然后带着这些数字一次前向计算就画完照片。训练时没见过的风格也可以用。",
    ),
    r"$$y = T (x - \mu_x) + \mu_s, \qquad T = C_x^{-1/2} \big( C_x^{1/2}\, C_s\, C_x^{1/2} \big)^{1/2} C_x^{-1/2}$$",
    (
        "T is the linear map that gives the photograph's features the mean and covariance of the style's while moving them as little as possible; a small decoder paints from the result. It sees nothing finer than a quarter of the picture's size, so the brush strokes are its own. Because a style is a vector, styles can be mixed and weakened by plain arithmetic: the corners of the pad are four vectors, and strength moves towards the photograph's own. What the network loses of the photograph is given back in the same measure, so that strength 0 is the photograph itself. Large pictures are painted in overlapping tiles that all share the statistics of the whole. Magenta's network has only scales and shifts in its norms instead of T.",
        "T 是这样一个线性映射：它让照片的特征具有风格特征的均值与协方差，同时移动得尽可能少；再由一个小解码器据此作画。解码器看不到比图片四分之一尺寸更细的内容，所以笔触出自它自己。风格既然是向量，就能用简单的算术来混合与减弱：混合板的四角是四个向量，强度则朝照片自身的向量移动。网络丢失的照片细节按同样比例补回，所以强度为 0 时就是照片本身。大图分成相互重叠的图块来画，并共用整张图的统计量。Magenta 的网络没有 T，只在归一化层里缩放和平移。",
    ),
    (
        "Lu et al., A Closed-Form Solution to Universal Style Transfer, 2019 (arXiv 1906.00668). Ghiasi et al., Exploring the structure of a real-time, arbitrary neural artistic stylization network, 2017 (arXiv 1705.06830). One thing to try: mix two styles on the pad, then swap the photograph and run again; the codes are kept, so it takes a moment.",
        "Lu 等，《A Closed-Form Solution to Universal Style Transfer》，2019（arXiv 1906.00668）。Ghiasi 等，《Exploring the structure of a real-time, arbitrary neural artistic stylization network》，2017（arXiv 1705.06830）。试一试：在混合板上混合两种风格，再换一张照片重新运行；风格编码已保存，只需片刻。",
    ),
)
