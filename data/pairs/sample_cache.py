"""Keeps a pair's pools beside it, `samples.npz`: made once, and made again when anything behind them has changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from data.cohort.queries import ANYWHERE_SHARE, FACE_SHARE, FAR_MM, MARGIN_MM, NEAR_MM
from data.pairs.content import digest_of
from data.pairs.open_surface import REACH_MM
from data.pairs.pools import Pools, PoolSizes
from flame_jax.array_archive import read_arrays
from flame_jax.whole_file import whole_file

SAMPLES = "samples.npz"
_FORMAT = "s2f pair samples 1"
"""To be counted up when the sampling changes by more than its constants."""
_CONSTANTS = f"{FACE_SHARE} {NEAR_MM} {FAR_MM} {ANYWHERE_SHARE} {MARGIN_MM} {REACH_MM}"
_MADE_FROM = "made_from"


def pools_key(
    skull_digest: str, face_digest: str, prior_digest: str, T_head_input: np.ndarray, sizes: PoolSizes
) -> str:
    """Names everything that a pair's pools come from: files by content, region, pose, sizes and sampling."""
    return digest_of(
        _FORMAT,
        _CONSTANTS,
        f"{sizes.skull_points} {sizes.queries}",
        skull_digest,
        face_digest,
        prior_digest,
        np.asarray(T_head_input, dtype="<f8"),
    )


def read_pools(path: Path, key: str, sizes: PoolSizes) -> Pools | None:
    """The pools in a file, or None where there is none, or a damaged one, or one made from something else."""
    shapes = {
        "skull_points": (sizes.skull_points, 3),
        "skull_normals": (sizes.skull_points, 3),
        "query_points": (sizes.queries, 3),
        "query_distances": (sizes.queries,),
    }
    made_from = read_arrays(path, [_MADE_FROM])
    if made_from is None or made_from[_MADE_FROM].tobytes() != key.encode():
        return None
    # The archive's checksums are compared as each array is read to its end.
    arrays = read_arrays(path, shapes)
    if arrays is None:
        return None
    if any(array.dtype != np.float32 or array.shape != shapes[name] for name, array in arrays.items()):
        return None
    return Pools(**arrays)


def write_pools(path: Path, key: str, pools: Pools) -> None:
    """Write pools, whole or not at all. Raises `InputError` when the place cannot be written."""
    with whole_file(path) as unfinished, unfinished.open("wb") as stream:
        # Not compressed: points hardly shrink, and training reads them again and again.
        np.savez(
            stream,
            made_from=np.frombuffer(key.encode(), dtype=np.uint8),
            skull_points=pools.skull_points,
            skull_normals=pools.skull_normals,
            query_points=pools.query_points,
            query_distances=pools.query_distances,
        )
