"""The renderer's geometry: scale, sides, order of layers."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from fields.mesh import Mesh
from s2f.markers import Markers, draw_labels, label_places
from s2f.render import FRONT, SIDE, THREE_QUARTER, Frame, Layer, View, over, render, visible
from s2f.shading import to_linear, to_srgb
from s2f.tessellate import rounded

SIZE: dict[str, Any] = {"width_px": 80, "height_px": 60, "mm_per_px": 1.0, "centre_mm": (0.0, 0.0, 0.0)}
RED, GREEN, BLUE = (0.8, 0.1, 0.1), (0.1, 0.8, 0.1), (0.1, 0.1, 0.8)


def ball(radius: float, centre: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Mesh:
    return Markers(np.array([centre]), radius_mm=radius).layer.mesh


def plate(z: float, half: float = 20.0) -> Mesh:
    """A square that faces the camera of FRONT."""
    corners = np.array([[-half, -half, z], [half, -half, z], [half, half, z], [-half, half, z]])
    return Mesh(corners, np.array([[0, 1, 2], [0, 2, 3]]))


def test_image_has_its_size_and_an_empty_background():
    image = render([Layer(ball(20.0))], FRONT, **SIZE)
    assert image.shape == (60, 80, 4)
    assert image.dtype == np.uint8
    assert not image[0].any()
    assert image[30, 40, 3] == 255


def test_nothing_to_draw_is_an_empty_picture():
    nothing = Mesh(np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64))
    assert not render([], FRONT, **SIZE).any()
    assert not render([Layer(nothing)], FRONT, **SIZE).any()


@pytest.mark.parametrize("view", [FRONT, THREE_QUARTER, SIDE, View(-30.0, 25.0)])
@pytest.mark.parametrize("mm_per_px", [0.7, 1.3])
def test_silhouette_of_a_sphere_is_to_scale(view, mm_per_px):
    image = render([Layer(ball(18.0))], view, **(SIZE | {"mm_per_px": mm_per_px}))
    area_mm2 = image[..., 3].sum() / 255.0 * mm_per_px**2
    assert np.sqrt(area_mm2 / np.pi) == pytest.approx(18.0, abs=0.2)
    rows, columns = np.nonzero(image[..., 3])
    assert [columns.mean() + 0.5, rows.mean() + 0.5] == pytest.approx([40.0, 30.0], abs=0.1)


def test_edges_are_smooth():
    alpha = render([Layer(ball(18.0))], FRONT, **SIZE)[..., 3]
    assert len(np.unique(alpha)) > 6


def test_views_have_right_handed_axes_and_show_the_stated_side():
    for view in (FRONT, THREE_QUARTER, SIDE, View(-120.0, 35.0)):
        axes = view.axes()
        np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(axes) == pytest.approx(1.0)
    np.testing.assert_allclose(FRONT.axes(), np.eye(3), atol=1e-12)
    np.testing.assert_allclose(SIDE.axes()[2], [1.0, 0.0, 0.0], atol=1e-12)  # the camera stands at the left ear
    assert SIDE.axes()[0] @ [0.0, 0.0, 1.0] == pytest.approx(-1.0)  # and the nose points to the left of the picture


def test_subjects_left_is_on_the_right_of_the_front_view():
    left = Markers(np.array([[25.0, 10.0, 0.0]]), radius_mm=3.0)
    rows, columns = np.nonzero(render([left.layer], FRONT, **SIZE)[..., 3])
    assert [columns.mean() + 0.5, rows.mean() + 0.5] == pytest.approx([65.0, 20.0], abs=0.1)
    frame = Frame(FRONT, **SIZE)
    np.testing.assert_allclose(frame.project(left.positions)[0], [[65.0, 20.0]], atol=1e-9)


def test_projection_and_ray_origins_are_inverse():
    frame = Frame(View(33.0, 12.0), 81, 64, 0.4, (3.0, -2.0, 7.0))
    points = np.random.default_rng(1).normal(size=(20, 3)) * 10.0
    pixels, nearness = frame.project(points)
    for pixel, near, point in zip(pixels, nearness, points, strict=True):
        np.testing.assert_allclose(frame.ray_origins(pixel[None], near)[0], point, atol=1e-9)


@pytest.mark.parametrize("swap", [False, True])
def test_nearer_opaque_layer_hides_the_farther_one(swap):
    layers = [Layer(plate(5.0), colour=RED), Layer(plate(-5.0), colour=GREEN)]
    middle = render(layers[::-1] if swap else layers, FRONT, **SIZE)[30, 40].astype(int)
    assert middle[0] > 2 * middle[1]
    assert middle[3] == 255


def test_translucent_layer_lies_between_its_colour_and_what_is_behind():
    behind, before = Layer(plate(-5.0), colour=GREEN), Layer(plate(5.0), colour=RED)
    only = [to_linear(render([layer], FRONT, **SIZE)[30, 40, :3] / 255.0) for layer in (before, behind)]
    veil = dataclasses.replace(before, opacity=0.3)
    both = render([behind, veil], FRONT, **SIZE)[30, 40]
    np.testing.assert_allclose(to_linear(both[:3] / 255.0), 0.3 * only[0] + 0.7 * only[1], atol=0.01)
    assert both[3] == 255
    alone = render([veil], FRONT, **SIZE)[30, 40]
    assert alone[3] == pytest.approx(0.3 * 255, abs=1)
    hidden = render([Layer(plate(9.0), colour=BLUE), behind, veil], FRONT, **SIZE)[30, 40]
    np.testing.assert_array_equal(hidden, render([Layer(plate(9.0), colour=BLUE)], FRONT, **SIZE)[30, 40])


def test_outline_of_a_veil_is_denser_than_its_middle():
    alpha = render([Layer(ball(20.0), opacity=0.2, rim_opacity=1.0)], FRONT, **SIZE)[30, :, 3]
    assert alpha[40] < 60 < 120 < alpha[22]


def test_hollows_are_darker_than_open_surfaces():
    cup = ball(20.0)
    inside_out = Mesh(cup.vertices, cup.faces[:, ::-1])
    assert Layer(inside_out).surface.ambient.mean() < 0.5 < 0.95 < Layer(cup).surface.ambient.mean()


def test_restyled_layer_shares_the_prepared_surface():
    layer = Layer(ball(5.0))
    other = layer.restyled(opacity=0.5)
    assert other.surface is layer.surface
    assert other.opacity == 0.5


def test_vertex_colours_replace_the_colour():
    mesh = plate(0.0)
    image = render([Layer(mesh, vertex_colours=np.tile(BLUE, (4, 1)), relief=0.0, specular=0.0)], FRONT, **SIZE)
    np.testing.assert_allclose(image[30, 40, :3] / 255.0, BLUE, atol=0.01)


def test_marker_behind_an_opaque_mesh_is_hidden():
    wall = Layer(plate(0.0))
    markers = Markers(np.array([[0.0, 0.0, 5.0], [10.0, 0.0, -5.0]]), colour=RED, radius_mm=3.0, labels=("n", "op"))
    image = render([wall, markers.layer], FRONT, **SIZE).astype(int)
    redness = image[..., 0] - image[..., 1]
    assert redness[30, 40] > 60
    assert redness[30, 50] < 40
    frame = Frame(FRONT, **SIZE)
    assert visible([wall], frame, markers.positions, 3.0).tolist() == [True, False]
    veil = dataclasses.replace(wall, opacity=0.4)
    assert visible([veil], frame, markers.positions, 3.0).all()


def test_labels_are_drawn_for_visible_markers_only():
    wall = Layer(plate(0.0))
    frame = Frame(FRONT, 200, 60, 1.0, (0.0, 0.0, 0.0))
    blank = np.full((60, 200, 3), 255, dtype=np.uint8)
    shown = Markers(np.array([[0.0, 0.0, 1.0]]), labels=("pg",))
    hidden = Markers(np.array([[0.0, 0.0, -9.0]]), labels=("pg",))
    assert (draw_labels(blank, frame, [wall], shown, size_px=14) < 255).any()
    assert (draw_labels(blank, frame, [wall], hidden, size_px=14) == 255).all()


def test_labels_keep_apart_stay_on_the_page_and_do_not_cross():
    generator = np.random.default_rng(4)
    for _ in range(20):
        points = generator.uniform([50.0, 0.0], [250.0, 400.0], (15, 2))
        places = label_places(points, 20.0, spacing=25.0, height=400.0)
        assert np.diff(np.sort(places[:, 1])).min() > 24.999
        assert places[:, 1].min() > 12.4
        assert places[:, 1].max() < 387.6
        crossings = [crossed(points[i], places[i], points[j], places[j]) for i in range(15) for j in range(i)]
        assert not any(crossings)


def crossed(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> bool:
    def turn(p: np.ndarray, q: np.ndarray, r: np.ndarray) -> bool:
        return (q[0] - p[0]) * (r[1] - p[1]) > (q[1] - p[1]) * (r[0] - p[0])

    return turn(a, c, d) != turn(b, c, d) and turn(a, b, c) != turn(a, b, d)


def test_srgb_round_trip_and_mixing_in_light():
    values = np.linspace(0.0, 1.0, 101)
    np.testing.assert_allclose(to_srgb(to_linear(values)), values, atol=1e-6)
    half = np.array([[[255, 255, 255, 128]]], dtype=np.uint8)
    assert over(half, (0.0, 0.0, 0.0))[0, 0, 0] == pytest.approx(188, abs=1)  # half the light, not half the code


def test_rounded_keeps_vertices_and_comes_closer_to_the_sphere():
    octahedron = Mesh(
        np.concatenate([np.eye(3), -np.eye(3)]),
        np.array([[0, 1, 2], [1, 3, 2], [3, 4, 2], [4, 0, 2], [1, 0, 5], [3, 1, 5], [4, 3, 5], [0, 4, 5]]),
    )
    finer, values = rounded(octahedron, np.array([1.0, 0.0, 0.0, 0.0, 0.0, np.nan]))
    np.testing.assert_array_equal(finer.vertices[:6], octahedron.vertices)
    assert len(finer.faces) == 4 * len(octahedron.faces)
    assert np.linalg.norm(finer.vertices[6:], axis=1).min() > 0.8
    assert values is not None
    assert sorted(set(values[np.isfinite(values)])) == [0.0, 0.5, 1.0]
    outward = np.einsum("fd,fd->f", finer.face_normals(), finer.vertices[finer.faces].mean(axis=1))
    assert (outward > 0.0).all()
