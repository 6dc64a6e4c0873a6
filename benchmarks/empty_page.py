"""The least a page with torch can be, which Atelier's start is held against: `benchmarks/empty_page.py --port P`."""

from __future__ import annotations

import argparse

import gradio as gr
import torch

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    torch.zeros(1)
    with gr.Blocks(analytics_enabled=False) as page:
        pass
    page.launch(server_name="127.0.0.1", server_port=port, ssr_mode=False, quiet=True)
