"""Short texts for a student, a method each: prose is translated, lines that start with $$ are equations."""

HOW_TO: dict[str, tuple[str, ...]] = {
    "gatys": (
        "A network trained to recognise things sees a picture as layers of features: early layers see edges and colours, deep "
        "ones see parts and arrangement. Nothing is trained here. The pixels themselves are changed, step by step, until "
        "the deep features match the photograph and the statistics of all layers match the style.",
        r"$$\mathcal{L}(x) = \alpha \sum_{l} \frac{\lVert F^l(x) - F^l(c) \rVert^2}{\lVert F^l(c) \rVert^2}"
        r" + \beta \sum_l w_l \frac{\lVert G^l(x) - G^l(s) \rVert^2}{\lVert G^l(s) \rVert^2} + \gamma\,\mathrm{TV}(x),"
        r"\qquad G^l_{ij} = \frac{1}{HW} \sum_{p} F^l_{ip} F^l_{jp}$$",
        "The Gram matrix G counts which features occur together, wherever they are: it forgets the arrangement and keeps the "
        "texture. Strength moves the balance from the photograph to the style over four powers of ten. Size of strokes "
        "shows the style picture larger or smaller to the network. The run starts small, where broad strokes are cheap, "
        "and grows by the square root of two until it has the size you asked for.",
        "Gatys, Ecker and Bethge, A Neural Algorithm of Artistic Style, 2015 (arXiv 1508.06576). One thing to try: in "
        "Advanced, use conv1_1 alone as style layer, then conv4_1 alone, and compare what of the style is left.",
    ),
}
