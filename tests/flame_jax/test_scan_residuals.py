"""A head against a scan: closest points, matches, values and derivatives."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fields.distance import DistanceScene
from fields.mesh import Mesh
from flame_jax.flame import Flame
from flame_jax.linearised import Linearised
from flame_jax.parameters import Layout, Parameters
from flame_jax.scan import Scan
from flame_jax.scan_residuals import Distance, HeadToScan, ScanToHead
from tests.egg_made import full_egg_model

FREE = ("betas", "expression", "global_orient", "neck_pose", "jaw_pose", "transl", "log_scale")


@pytest.fixture(scope="module")
def flame() -> Flame:
    return Flame.of(full_egg_model())


def _parameters(flame: Flame, seed: int, spread: float = 0.05) -> tuple[Layout, jax.Array, Parameters]:
    fixed = Parameters.neutral(flame)
    layout = Layout.of(fixed, FREE)
    scale = spread * np.ones(layout.size)
    scale[layout.slices["betas"]] = 10 * spread
    return layout, jnp.asarray(scale * np.random.default_rng(seed).normal(size=layout.size), jnp.float32), fixed


def _scan_of(flame: Flame, x: jax.Array, layout: Layout, fixed: Parameters, count: int = 2000) -> Scan:
    vertices = np.asarray(layout.parameters(x, fixed).posed(flame).vertices, float)
    return Scan.of(vertices, faces=np.asarray(flame.faces), count=count)


def _linearised(
    flame: Flame, term: ScanToHead | HeadToScan, layout: Layout, fixed: Parameters
) -> Callable[[jax.Array], tuple[jax.Array, jax.Array, jax.Array]]:
    @jax.jit
    def at(x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        head = Linearised.at(flame, layout, x, fixed)
        values, jacobians = zip(
            *(rows.linearised(head) for rows in term.rows(head, jnp.ones((), x.dtype))), strict=True
        )
        return jnp.concatenate(values), jnp.concatenate(jacobians), head.vertices

    return at


@pytest.mark.parametrize("distance", ["plane", "point"])
def test_scan_to_head_gives_the_distances(flame: Flame, distance: Distance) -> None:
    layout, x, fixed = _parameters(flame, 0)
    scan = _scan_of(flame, x, layout, fixed)
    moved = x + 0.1 * _parameters(flame, 1)[1]
    term = ScanToHead.of(flame, scan, sd=2.0, robust=1e6, distance=distance)
    values, _, vertices = _linearised(flame, term, layout, fixed)(moved)
    scene = DistanceScene(Mesh(np.asarray(vertices, float), np.asarray(flame.faces)))
    exact = scene.distance(np.asarray(scan.points, float))
    found = 2 * np.asarray(values)[:-1].reshape(-1, len(exact))
    found = np.abs(found[0]) if distance == "plane" else np.linalg.norm(found, axis=0)
    assert exact.mean() > 0.3
    # The plane is that of the interpolated normal, not the triangle's.
    tolerance = 0.1 if distance == "plane" else 1e-2
    assert (np.abs(found - exact) < tolerance).mean() > 0.99


@pytest.mark.parametrize("distance", ["plane", "point"])
def test_head_to_scan_gives_the_distances(flame: Flame, distance: Distance) -> None:
    layout, x, fixed = _parameters(flame, 2)
    scan = _scan_of(flame, x, layout, fixed, 6000)
    moved = x + 0.1 * _parameters(flame, 3)[1]
    term = HeadToScan.of(flame, scan, sd=2.0, robust=1e6, reach=1e3, distance=distance)
    values, _, vertices = _linearised(flame, term, layout, fixed)(moved)
    gap = np.asarray(vertices)[:, None] - np.asarray(scan.points)[None]
    squared = (gap**2).sum(axis=2)
    nearest = squared.argmin(axis=1)
    exact = np.sqrt(squared.min(axis=1))
    found = 2 * np.asarray(values)[:-1].reshape(-1, len(exact))
    if distance == "plane":
        wanted = np.einsum("vd,vd->v", gap[np.arange(len(nearest)), nearest], np.asarray(scan.normals)[nearest])
        assert (np.abs(found[0] - wanted) < 1e-2).mean() > 0.99
    else:
        assert (np.abs(np.linalg.norm(found, axis=0) - exact) < 1e-2).mean() > 0.99


@pytest.mark.parametrize("kind", [ScanToHead, HeadToScan])
@pytest.mark.parametrize("distance", ["plane", "point"])
def test_gradient_of_the_cost(flame: Flame, kind: type[ScanToHead] | type[HeadToScan], distance: Distance) -> None:
    # By the envelope theorem the matches may change on the way: to first order the squared distance does not notice.
    layout, x, fixed = _parameters(flame, 4)
    scan = _scan_of(flame, x, layout, fixed, 8000)
    start = x + 0.1 * _parameters(flame, 5)[1]
    term = kind.of(flame, scan, sd=1.0, robust=10.0, distance=distance)
    if isinstance(term, HeadToScan):
        # Vertices that lose their match on the way would make the cost jump.
        term = dataclasses.replace(term, reach=1e3)
    at = _linearised(flame, term, layout, fixed)

    def cost(x: jax.Array) -> float:
        return 0.5 * float((np.asarray(at(x)[0], float) ** 2).sum())

    values, jacobian, _ = at(start)
    gradient = np.asarray(jacobian, float).T @ np.asarray(values, float)
    for group, part in layout.slices.items():
        wanted = gradient[part]
        direction = wanted / np.linalg.norm(wanted)
        size = 0.05 if group in ("betas", "expression", "transl") else 0.0005
        change = jnp.zeros(layout.size).at[part].set(size * direction)
        numeric = (cost(start + change) - cost(start - change)) / (2 * size)
        np.testing.assert_allclose(np.linalg.norm(wanted), numeric, rtol=0.05, err_msg=group)


def test_unmatched_pairs_count_as_outliers(flame: Flame) -> None:
    layout, x, fixed = _parameters(flame, 6)
    scan = _scan_of(flame, x, layout, fixed, 4000)
    # Half of the scan is cut away, and on the other half a quarter of the normals point inwards.
    points, normals = np.asarray(scan.points), np.array(scan.normals)
    kept = points[:, 1] > 0
    wrong = points[kept, 1] > 60
    turned = np.where(wrong[:, None], -normals[kept], normals[kept])
    part = Scan.of(points[kept], np.asarray(normals[kept]), count=4000)
    part = type(part)(part.points, np.asarray(turned, np.float32), part.index, part.spacing)

    term = HeadToScan.of(flame, part, sd=1.0, robust=3.0)
    values, jacobian, vertices = _linearised(flame, term, layout, fixed)(x)
    below, top = np.asarray(vertices)[:, 1] < -20, np.asarray(vertices)[:, 1] > 75
    between = (np.asarray(vertices)[:, 1] > 5) & (np.asarray(vertices)[:, 1] < 50)
    for lost in (below, top):
        assert (np.asarray(values)[:-1][lost] == 0).all()
        assert (np.asarray(jacobian)[:-1][lost] == 0).all()
    assert (np.abs(np.asarray(values)[:-1][between]) < 1).all()
    # Each outlier at infinity has a squared residual of 3^2; those at the edges are partly matched.
    outliers = float(values[-1]) ** 2 / 9
    assert (below | top).sum() <= outliers <= (~between).sum()
    assert (jacobian[-1] == 0).all()

    back = ScanToHead.of(flame, part, sd=1.0, robust=3.0)
    values, jacobian, _ = _linearised(flame, back, layout, fixed)(x)
    assert (np.asarray(values)[:-1][wrong] == 0).all()
    assert (np.asarray(jacobian)[:-1][wrong] == 0).all()
    assert np.abs(np.asarray(values)[:-1][~wrong]).max() < 0.2
    np.testing.assert_allclose(values[-1], 3 * np.sqrt(wrong.sum()), rtol=1e-3)


def test_the_cost_does_not_jump(flame: Flame) -> None:
    # While a head turns away from its scan, pair after pair ceases to match.
    layout, x, fixed = _parameters(flame, 9)
    scan = _scan_of(flame, x, layout, fixed, 500)
    at = _linearised(flame, ScanToHead.of(flame, scan, sd=1.0, robust=3.0), layout, fixed)
    place = layout.slices["global_orient"].start + 1
    costs = [0.5 * float((np.asarray(at(x.at[place].add(turn))[0], float) ** 2).sum()) for turn in np.arange(100) / 500]
    assert costs[-1] > 100
    # A pair that ceased to match at once would add 4.5 less what it had.
    assert np.abs(np.diff(costs, 2)).max() < 3


def test_share_leaves_points_out(flame: Flame) -> None:
    layout, x, fixed = _parameters(flame, 7)
    scan = _scan_of(flame, x, layout, fixed, 1000)
    share = np.zeros(1000, np.float32)
    share[:10] = 0.25
    moved = x + 0.1 * _parameters(flame, 8)[1]
    whole = _linearised(flame, ScanToHead.of(flame, scan, sd=1.0), layout, fixed)(moved)
    some = _linearised(flame, ScanToHead.of(flame, scan, sd=1.0, share=share), layout, fixed)(moved)
    for full, part in zip(whole[:2], some[:2], strict=True):
        np.testing.assert_allclose(part[:10], 0.5 * np.asarray(full)[:10], rtol=1e-5, atol=1e-6)
        assert (np.asarray(part)[10:1000] == 0).all()
