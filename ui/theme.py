"""How the page looks: a quiet gallery. System fonts, one accent colour, light and dark."""

from __future__ import annotations

import gradio as gr

SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")
ACCENT = gr.themes.Color(
    c50="#fbf1ec", c100="#f6dfd4", c200="#ecbfab", c300="#e09c7f", c400="#d3795a", c500="#b9552f", c600="#a8481f",
    c700="#8a3a18", c800="#6c2d13", c900="#50210e", c950="#33140a", name="terracotta",
)


def theme() -> gr.themes.Base:
    """Base theme with Atelier's colours; contrast of text is at least 4.5:1 in both modes."""
    base = gr.themes.Base(
        primary_hue=ACCENT, secondary_hue=ACCENT, neutral_hue="stone", font=SANS, font_mono=MONO,
        spacing_size="md", radius_size="md", text_size="md",
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
        button_primary_background_fill_hover_dark="#c9683f",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#ffffff",
        button_large_padding="12px 20px",
        slider_color="#b9552f",
    )


CSS = """
.gradio-container { max-width: 1280px !important; margin: 0 auto !important; }
.masthead { display: flex; align-items: baseline; gap: 14px; padding: 6px 2px 0; }
.masthead > * { flex: 0 1 auto !important; width: auto !important; min-width: 0 !important; }
.masthead h1 { font-size: 1.55rem; font-weight: 650; letter-spacing: -0.01em; margin: 0; }
.masthead p { margin: 0; color: var(--body-text-color-subdued); }
.status, .cost { font-variant-numeric: tabular-nums; min-height: 1.6em; }
.status .bar { height: 4px; border-radius: 2px; background: var(--border-color-primary); overflow: hidden; margin-top: 6px; }
.status .bar i { display: block; height: 100%; background: var(--slider-color); transition: width .25s linear; }
.status .failed { color: #a32020; } .dark .status .failed { color: #ff9a8f; }
.status small { color: var(--body-text-color-subdued); }
.picture img, .picture .image-frame img { object-fit: contain !important; }
.strip .grid-wrap { max-height: none !important; padding: 0 !important; min-height: 0 !important; }
.strip .grid-container { grid-template-columns: repeat(auto-fill, minmax(44px, 1fr)) !important; gap: 5px !important; padding: 0 !important; }
.strip { min-height: 0 !important; background: transparent !important; padding: 0 !important; }
.strip .thumbnail-item { min-width: 44px; min-height: 44px; border-radius: 6px; }
.main-settings { gap: 2px !important; background: var(--block-background-fill); border-radius: 8px; }
button.lg, button.sm, .actions button { min-height: 44px; }
.curve svg { width: 100%; height: auto; display: block; }
.curve text { fill: var(--body-text-color-subdued); font-size: 11px; font-variant-numeric: tabular-nums; }
table.models { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
table.models th { text-align: left; font-weight: 600; color: var(--body-text-color-subdued); }
table.models th, table.models td { padding: 8px 10px; border-bottom: 1px solid var(--border-color-primary); }
table.models td.number, table.models th.number { text-align: right; }
.scroll { overflow-x: auto; }
@media (max-width: 640px) {
  .masthead { flex-direction: column; gap: 2px; }
  .columns { flex-direction: column !important; }
  .columns > .column { min-width: 0 !important; width: 100% !important; }
  .actions { position: sticky; bottom: 0; z-index: 20; background: var(--body-background-fill); padding: 8px 0; }
}
@media (prefers-reduced-motion: reduce) { .status .bar i { transition: none; } }
"""

HEAD = """
<meta name="color-scheme" content="light dark">
<script>
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  const run = [...document.querySelectorAll("button.run")].find((button) => button.offsetParent !== null);
  if (run && !run.disabled) { event.preventDefault(); run.click(); }
});
</script>
"""
