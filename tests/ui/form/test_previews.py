"""What a visitor brings is taken by its bytes, whatever it is called, and is seen on the page."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import PIL.Image
import pytest
from gradio.components.gallery import GalleryData, GalleryImage, GalleryVideo
from gradio.data_classes import FileData, ImageData

from pipelines import images
from pipelines.params import settings
from pipelines.stylize import PIPELINE
from ui.kit.form import controls, previews

Upload = Callable[[str, str], str]


@pytest.fixture
def upload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: PIL.Image.Image) -> Upload:
    """Put the content picture into the folder of uploads: its name there and its format -> its path."""
    pytest.importorskip("pillow_heif").register_heif_opener()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))

    def put(name: str, format: str) -> str:
        path = tmp_path / "0" / name
        path.parent.mkdir(exist_ok=True)
        with io.BytesIO() as file:
            content.save(file, format)
            path.write_bytes(file.getvalue())
        return str(path)

    return put


@pytest.fixture(scope="module")
def inputs() -> dict[str, Any]:
    with gr.Blocks():
        return {s.name: controls.page_component(s) for s in settings(PIPELINE.params) if s.kind in {"image", "images"}}


@pytest.mark.parametrize("name", ["a.mpo", "a.jfif", "a", "a.txt", "a.PNG", "a b (1).heic", "照片"])
def test_a_style_is_taken_whatever_it_is_called(name: str, inputs: dict[str, Any], upload: Upload) -> None:
    path = upload(name, "JPEG")
    rows = [GalleryImage(image=ImageData(path=path)), GalleryVideo(video=FileData(path=path), caption="one")]
    assert inputs["styles"].preprocess(GalleryData(root=rows)) == [(path, None), (path, "one")]
    assert inputs["content"].preprocess(ImageData(path=path)) == path
    assert inputs["styles"].preprocess(GalleryData(root=[])) is None and inputs["styles"].preprocess(None) is None


@pytest.mark.parametrize("format", ["HEIF", "TIFF"])
def test_what_a_browser_cannot_show_has_a_preview(format: str, inputs: dict[str, Any], upload: Upload) -> None:
    path = upload("IMG_1.heic", format)
    image, gallery = inputs["content"].postprocess(path), inputs["styles"].postprocess([path, (path, "one")])
    paths = [image.path, *(row.image.path for row in gallery.root)]
    for preview in paths:
        with PIL.Image.open(preview) as picture:
            assert picture.format == "JPEG" and picture.size == (64, 48)
    assert gallery.root[1].caption == "one"
    assert inputs["content"].preprocess(image) == path  # a method reads the picture itself
    assert inputs["styles"].preprocess(gallery) == [(path, None), (path, "one")]


def test_other_pictures_are_shown_as_they_are(upload: Upload, tmp_path: Path) -> None:
    for name, format in (("a.png", "PNG"), ("a.jpg", "JPEG"), ("a.avif", "AVIF"), ("a.webp", "WEBP")):
        path = upload(name, format)
        assert previews.shown(path) == path
    broken = Path(upload("b.heic", "HEIF"))
    broken.write_bytes(broken.read_bytes()[:80])
    assert previews.shown(str(broken)) == str(broken) and previews.shown("/nowhere.heic") == "/nowhere.heic"
    assert sorted(p.name for p in tmp_path.rglob("*preview*")) == []


def test_no_preview_is_made_outside_the_folder_of_uploads(upload: Upload, tmp_path_factory: Any) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "a.heic"
    elsewhere.write_bytes(Path(upload("a.heic", "HEIF")).read_bytes())
    assert previews.shown(str(elsewhere)) == str(elsewhere) and len(list(elsewhere.parent.iterdir())) == 1


def test_a_picture_called_like_a_preview_is_itself(upload: Upload) -> None:
    path = upload(f"a{previews.SUFFIX}", "JPEG")
    assert previews.original(path) == path
    assert images.load(previews.original(path)).size == (64, 48)
