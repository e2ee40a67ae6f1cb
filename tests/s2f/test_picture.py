"""The figures: what is in the file, and that it is written whole."""

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from fields.mesh import Mesh
from flame_jax.errors import InputError
from s2f import picture
from s2f.markers import Markers
from s2f.picture import DISCLAIMER, error_scale, face_picture, landmark_picture


@pytest.fixture(autouse=True)
def small_page(monkeypatch):
    """Pictures a third as wide, since nothing here depends on the width."""
    monkeypatch.setattr(picture, "PAGE_WIDTH", 700)


def ball(radius: float) -> Mesh:
    return Markers(np.array([[0.0, 20.0, 10.0]]), radius_mm=radius).layer.mesh


FACE, SKULL = ball(100.0), ball(80.0)


def test_face_picture_holds_the_words_and_the_credit(tmp_path):
    path = tmp_path / "face.png"
    face_picture(path, face=FACE, skull=SKULL, caption="A ball. κ = 0.7", credit="Made by nobody, CC BY 4.0")
    with Image.open(path) as image:
        assert isinstance(image, PngImageFile)
        assert image.mode == "RGB"
        assert image.width == 700
        assert image.text["Copyright"] == "Made by nobody, CC BY 4.0"
        assert image.text["Disclaimer"] == DISCLAIMER == "facial approximation – not an identification"
        assert image.text["Description"] == "A ball. κ = 0.7"
        pixels = np.asarray(image)
    assert (pixels[0] == 255).all()
    assert (pixels < 128).any()
    assert [entry.name for entry in tmp_path.iterdir()] == ["face.png"]


def test_disclaimer_is_drawn(tmp_path, monkeypatch):
    paths = [tmp_path / "with.png", tmp_path / "without.png"]
    face_picture(paths[0], face=FACE, skull=SKULL, caption="", credit="")
    monkeypatch.setattr(picture, "DISCLAIMER", " ")
    face_picture(paths[1], face=FACE, skull=SKULL, caption="", credit="")
    drawn, blank = (np.asarray(Image.open(path)) for path in paths)
    assert (drawn != blank).any()


def test_truth_and_error_add_rows(tmp_path):
    path, longer = tmp_path / "face.png", tmp_path / "error.png"
    face_picture(path, face=FACE, skull=SKULL, caption="", credit="")
    error = np.where(FACE.vertices[:, 2] > 0.0, np.abs(FACE.vertices[:, 0]) / 10.0, np.nan)
    face_picture(longer, face=FACE, skull=SKULL, true_face=ball(95.0), error_mm=error, caption="", credit="")
    with Image.open(path) as short, Image.open(longer) as tall:
        assert tall.height > 1.7 * short.height


def test_failure_leaves_nothing_and_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "face.png"
    path.write_bytes(b"old")

    def full_disk(self, target, **options):
        target.write_bytes(b"half")
        raise OSError("no space")

    monkeypatch.setattr(Image.Image, "save", full_disk)
    with pytest.raises(InputError, match="cannot be written"):
        face_picture(path, face=FACE, skull=SKULL, caption="", credit="")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["face.png"]


def test_landmark_picture_shows_names_and_red_points(tmp_path):
    points = {"n": np.array([0.0, 20.0, 90.0]), "po(s)": np.array([80.0, 20.0, 10.0])}
    landmark_picture(tmp_path / "marks.png", SKULL, points, caption="Two points", credit="x")
    pixels = np.asarray(Image.open(tmp_path / "marks.png")).astype(int)
    assert (pixels[..., 0] - pixels[..., 1] > 80).any()


def test_error_scale_is_round_and_symmetric_for_signed_distances():
    unsigned = error_scale(np.array([0.0, 1.0, 3.4, np.nan]))
    assert (unsigned.low_mm, unsigned.high_mm, unsigned.clipped) == (0.0, 4.0, False)
    signed = error_scale(np.concatenate([np.linspace(-2.5, 1.0, 500), [30.0]]))
    assert (signed.low_mm, signed.high_mm, signed.clipped) == (-3.0, 3.0, True)
    assert error_scale(np.array([np.nan])).high_mm > 0.0


def test_error_colours_get_darker_and_are_grey_where_unknown():
    scale = error_scale(np.array([0.0, 10.0]))
    colours = scale.colours(np.array([0.0, 2.0, 4.0, 6.0, 8.0, 10.0, np.nan]))
    lightness = colours[:6] @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(lightness) < 0.0).all()
    np.testing.assert_allclose(colours[6], picture.UNSCORED)
