"""Made head models: random but well formed, of FLAME's full layout, in every form that its files have come in."""

from __future__ import annotations

import contextlib
import io
import pickle
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import scipy.sparse

from flame_jax import HeadModel

JOINTS = 5
IDENTITIES = 300
EXPRESSIONS = 100
CORRECTIVES = 36


def flame_parts(vertex_count: int = 42, seed: int = 0) -> dict[str, np.ndarray]:
    """Arrays under the names, shapes and types of FLAME's pickles: a lumpy sphere of 0.2 m, float64."""
    rng = np.random.default_rng(seed)
    sphere = rng.normal(size=(vertex_count, 3))
    sphere *= 0.1 / np.linalg.norm(sphere, axis=1, keepdims=True)
    # A fan over neighbours in one order: well formed, though not a head.
    corners = np.arange(vertex_count - 2, dtype=np.uint32)
    regressor = np.zeros((JOINTS, vertex_count))
    for joint in range(JOINTS):
        regressor[joint, rng.choice(vertex_count, 8, replace=False)] = 1 / 8
    weights = rng.random((vertex_count, JOINTS))
    return {
        "v_template": sphere,
        "shapedirs": 1e-3 * rng.normal(size=(vertex_count, 3, IDENTITIES + EXPRESSIONS)),
        "posedirs": 1e-3 * rng.normal(size=(vertex_count, 3, CORRECTIVES)),
        "J_regressor": regressor,
        "weights": weights / weights.sum(axis=1, keepdims=True),
        "kintree_table": np.array([[2**32 - 1, 0, 1, 1, 1], [0, 1, 2, 3, 4]], dtype=np.uint32),
        "f": np.stack([corners, corners + 1, corners + 2], axis=1),
        "J": regressor @ sphere,
    }


def flame_model(identities: int = 6, expressions: int = 4, vertex_count: int = 42, seed: int = 0) -> HeadModel:
    """A head model of all of FLAME's parts in float64, with few components, so that derivatives by all are quick."""
    parts = flame_parts(vertex_count, seed)
    return HeadModel(
        v_template=parts["v_template"],
        shapedirs=5 * parts["shapedirs"][:, :, :identities],
        faces=parts["f"].astype(np.int32),
        exprdirs=5 * parts["shapedirs"][:, :, IDENTITIES : IDENTITIES + expressions],
        posedirs=parts["posedirs"],
        j_regressor=parts["J_regressor"],
        kintree_parents=np.array([-1, 0, 1, 1, 1]),
        lbs_weights=parts["weights"],
        name="made",
    )


def identity_model(identities: int = 6, vertex_count: int = 42, seed: int = 0) -> HeadModel:
    """The same with its identities alone."""
    full = flame_model(identities, 0, vertex_count, seed)
    return HeadModel(full.v_template, full.shapedirs, full.faces, name="only")


def write_npz(path: Path, parts: dict[str, np.ndarray]) -> Path:
    """A re-export with dense arrays under FLAME's names."""
    np.savez(path, **parts)  # type: ignore[arg-type]
    return path


def plain_pickle(parts: dict[str, np.ndarray], protocol: int = pickle.DEFAULT_PROTOCOL) -> bytes:
    """A pickle of numpy arrays with a sparse regressor, as FLAME 2023."""
    return pickle.dumps(_with_sparse_regressor(parts) | {"bs_style": "lbs", "bs_type": "lrotmin"}, protocol=protocol)


def chumpy_pickle(parts: dict[str, np.ndarray], protocol: int = 2) -> bytes:
    """A pickle as Python 2 wrote it (protocols 0 to 2), with chumpy constants and one chumpy selection."""
    with _fake_chumpy() as (ch, select):
        shape = parts["shapedirs"].shape
        content = _with_sparse_regressor(parts) | {
            "v_template": ch(parts["v_template"]),
            # Selected in order from a larger array, as `larger[:, :, :400]` is stored.
            "shapedirs": select(
                ch(np.concatenate([parts["shapedirs"], parts["shapedirs"][:, :, :2]], axis=2)),
                np.arange(shape[0] * 3 * (shape[2] + 2)).reshape(shape[0], 3, -1)[:, :, : shape[2]].ravel(),
                shape,
            ),
            "posedirs": ch(parts["posedirs"]),
            "bs_style": "lbs",
            "bs_type": "lrotmin",
        }
        written = Python2Pickler.written(content, protocol)
    # The classes' homes by the names they had then; a name ends at a line break, so its length may change.
    return written.replace(b"numpy._core.multiarray", b"numpy.core.multiarray").replace(
        b"scipy.sparse._csc", b"scipy.sparse.csc"
    )


def _with_sparse_regressor(parts: dict[str, np.ndarray]) -> dict[str, object]:
    return dict(parts) | {"J_regressor": scipy.sparse.csc_matrix(parts["J_regressor"])}


_Pickler: Any = pickle._Pickler
"""The pickler written in Python, whose methods can be replaced one by one."""


class Python2Pickler(_Pickler):
    """Writes strings by the instructions of Python 2, where text and bytes were one."""

    dispatch: ClassVar[dict[type, object]] = dict(_Pickler.dispatch)

    @classmethod
    def written(cls, content: object, protocol: int) -> bytes:
        stream = io.BytesIO()
        cls(stream, protocol=protocol).dump(content)
        return stream.getvalue()

    def save_bytes(self, content: bytes) -> None:
        if self.proto == 0:
            text = "".join(chr(c) if 32 <= c < 127 and c not in (39, 92) else f"\\x{c:02x}" for c in content)
            self.write(b"S'" + text.encode("ascii") + b"'\n")
        else:
            self.write(b"T" + len(content).to_bytes(4, "little") + content)
        self.memoize(content)

    def save_str(self, content: str) -> None:
        if id(content) in self.memo:
            self.write(self.get(self.memo[id(content)][0]))
        else:
            self._save_named(content)

    def _save_named(self, content: str) -> None:
        raw = content.encode("latin-1")
        if self.proto == 0:
            self.write(b"S'" + raw + b"'\n")
        else:
            self.write(b"U" + bytes([len(raw)]) + raw)
        self.memoize(content)

    dispatch[bytes] = save_bytes
    dispatch[str] = save_str


@contextlib.contextmanager
def _fake_chumpy() -> Iterator[tuple[type, type]]:
    """Stand-ins for chumpy's classes under its own module names, with the state that it writes."""

    class Ch:
        def __init__(self, x: np.ndarray):
            self.x = x
            self._dirty_vars: set[str] = set()
            self._itr = None
            self._make_dense = False
            self._make_sparse = False
            self._depends_on_deps: dict[str, object] = {}

    class Select(Ch):
        def __init__(self, a: Ch, idxs: np.ndarray, preferred_shape: tuple[int, ...]):
            super().__init__(np.zeros(0))
            del self.x
            self.a, self.idxs, self.preferred_shape = a, idxs, preferred_shape

    modules = {name: types.ModuleType(name) for name in ("chumpy", "chumpy.ch", "chumpy.reordering")}
    for kind, module in ((Ch, "chumpy.ch"), (Select, "chumpy.reordering")):
        kind.__module__, kind.__qualname__ = module, kind.__name__
        setattr(modules[module], kind.__name__, kind)
    sys.modules.update(modules)
    try:
        yield Ch, Select
    finally:
        for name in modules:
            del sys.modules[name]
