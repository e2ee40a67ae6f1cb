from __future__ import annotations

import numpy as np
import pytest

from data.winding import consistent_winding
from fields.mesh import Mesh
from tests.data_made import inside_out, joined, sphere, volume


def _half(mesh: Mesh) -> Mesh:
    return Mesh(mesh.vertices, mesh.faces[mesh.vertices[mesh.faces][:, :, 1].mean(axis=1) > 0])


def _partly_flipped(mesh: Mesh, share: float) -> Mesh:
    flip = np.random.default_rng(1).random(len(mesh.faces)) < share
    return Mesh(mesh.vertices, np.where(flip[:, None], mesh.faces[:, ::-1], mesh.faces))


def _outward(mesh: Mesh) -> np.ndarray:
    middle = mesh.vertices[mesh.faces].mean(axis=1)
    return np.einsum("fd,fd->f", middle, mesh.face_normals()) > 0


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_closed_surfaces_become_outward(share: float) -> None:
    mesh = sphere()
    mended = consistent_winding(_partly_flipped(mesh, share))
    assert _outward(mended).all()
    np.testing.assert_array_equal(np.sort(mended.faces, axis=1), np.sort(mesh.faces, axis=1))


@pytest.mark.parametrize(("share", "outward"), [(0.2, True), (0.8, False)])
def test_open_surfaces_follow_their_majority(share: float, outward: bool) -> None:
    mended = consistent_winding(_partly_flipped(_half(sphere()), share))
    assert (_outward(mended) == outward).all()


def test_a_hollow_keeps_facing_inward() -> None:
    shell = joined(sphere(100.0), inside_out(sphere(60.0)))
    np.testing.assert_array_equal(consistent_winding(shell).faces, shell.faces)
    np.testing.assert_array_equal(consistent_winding(inside_out(shell)).faces, shell.faces)


def test_every_piece_is_judged_by_itself() -> None:
    pieces = joined(
        inside_out(sphere(100.0)), sphere(40.0, centre=(300, 0, 0)), inside_out(sphere(30.0, centre=(0, -200, 0)))
    )
    whole = volume(sphere(100.0)) + volume(sphere(40.0)) + volume(sphere(30.0))
    assert volume(consistent_winding(pieces)) == pytest.approx(whole)


def test_overlapping_pieces_are_not_taken_for_hollows() -> None:
    tooth_in_jaw = joined(sphere(100.0), inside_out(sphere(40.0, centre=(100, 0, 0))))
    assert volume(consistent_winding(tooth_in_jaw)) == pytest.approx(volume(sphere(100.0)) + volume(sphere(40.0)))


def test_a_moebius_strip_is_left_alone() -> None:
    steps = 12
    top, bottom = np.arange(steps), np.arange(steps) + steps
    faces = []
    for i in range(steps):
        a, b = top[i], bottom[i]
        c, d = (top[i + 1], bottom[i + 1]) if i + 1 < steps else (bottom[0], top[0])
        faces += [[a, b, c], [b, d, c]]
    angle = np.linspace(0, 2 * np.pi, steps, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    half = 0.2 * np.stack(
        [np.cos(angle) * np.cos(angle / 2), np.sin(angle) * np.cos(angle / 2), np.sin(angle / 2)], axis=1
    )
    strip = Mesh(np.concatenate([ring + half, ring - half]), np.array(faces, dtype=np.int32))
    np.testing.assert_array_equal(consistent_winding(strip).faces, strip.faces)
