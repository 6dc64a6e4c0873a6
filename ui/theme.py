"""How the page looks: a quiet gallery. System fonts, one accent colour, light and dark."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

LATIN = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans")
SANS = (*LATIN, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")
ACCENT = gr.themes.Color(
    c50="#fbf1ec",
    c100="#f6dfd4",
    c200="#ecbfab",
    c300="#e09c7f",
    c400="#d3795a",
    c500="#b9552f",
    c600="#a8481f",
    c700="#8a3a18",
    c800="#6c2d13",
    c900="#50210e",
    c950="#33140a",
    name="terracotta",
)


def theme() -> gr.themes.Base:
    """Base theme with Atelier's colours; contrast of text is at least 4.5:1 in both modes."""
    base = gr.themes.Base(
        primary_hue=ACCENT,
        secondary_hue=ACCENT,
        neutral_hue="stone",
        font=SANS,
        font_mono=MONO,
        spacing_size="md",
        radius_size="md",
        text_size="md",
    )
    return base.set(
        body_background_fill="#faf8f5",
        body_background_fill_dark="#151311",
        background_fill_primary="#ffffff",
        background_fill_primary_dark="#1d1a18",
        block_background_fill="#ffffff",
        block_background_fill_dark="#1d1a18",
        block_border_width="0px",
        block_label_background_fill="#ffffffd9",
        block_label_background_fill_dark="#1d1a18d9",
        block_label_border_width="0px",
        block_label_text_color="#57504a",
        block_label_text_color_dark="#c9c1b8",
        block_title_text_color="#3a3530",
        block_title_text_color_dark="#ddd6ce",
        block_info_text_color="#6b645d",
        block_info_text_color_dark="#a89f96",
        block_shadow="none",
        body_text_color="#2b2724",
        body_text_color_dark="#ece7e1",
        body_text_color_subdued="#6b645d",
        body_text_color_subdued_dark="#a89f96",
        button_primary_background_fill="#a8481f",
        button_primary_background_fill_hover="#8a3a18",
        button_primary_background_fill_dark="#b9552f",
        button_primary_background_fill_hover_dark="#a8481f",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#ffffff",
        button_large_padding="12px 20px",
        slider_color="#b9552f",
        link_text_color_dark="#e08a63",
        link_text_color_hover_dark="#ecbfab",
        link_text_color_active_dark="#e08a63",
        link_text_color_visited_dark="#e08a63",
    )


HERE = Path(__file__).parent
COMPARE = HERE / "tabs" / "compare"
CSS = "\n".join(path.read_text() for path in (HERE / "style.css", COMPARE / "compare.css"))

OURS = ("page", "keep", "results", "upload", "stream")
SCRIPTS = (*(HERE / "scripts" / f"{name}.js" for name in OURS), COMPARE / "compare.js")
# On a phone, of what lies outside of Gradio's own frame: there its @media rules of CSS do not reach.
PHONE = """@media (max-width: 640px) {
  footer > div { display: none !important; } /* dots between links, of which one is shown */
  dialog.viewer header { flex-wrap: nowrap; gap: 0; }
  dialog.viewer header button { padding: 0 8px; font-size: .86rem; }
}"""
HEAD = '<meta name="color-scheme" content="light dark">\n'
HEAD += f"<style>\n{PHONE}\n</style>\n"
HEAD += "".join(f"<script>\n{path.read_text()}</script>\n" for path in SCRIPTS)
