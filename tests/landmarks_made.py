"""Made landmark embeddings: random but well formed, in every form that their files have come in."""

from __future__ import annotations

import collections
import contextlib
import io
import pickle
import sys
import types
from collections.abc import Iterator

import numpy as np

from tests.flame_made import Python2Pickler


def landmark_parts(triangle_count: int = 40, seed: int = 0) -> dict[str, np.ndarray]:
    """Arrays under the names and of the shapes and types of RingNet's and DECA's combined file, and MediaPipe's."""
    rng = np.random.default_rng(seed)
    parts: dict[str, np.ndarray] = {}
    for faces_name, coordinates_name, shape in (
        ("static_lmk_faces_idx", "static_lmk_bary_coords", (51,)),
        ("dynamic_lmk_faces_idx", "dynamic_lmk_bary_coords", (79, 17)),
        ("full_lmk_faces_idx", "full_lmk_bary_coords", (1, 68)),
        ("lmk_face_idx", "lmk_b_coords", (105,)),
    ):
        weights = rng.random((*shape, 3)) + 0.1
        parts[faces_name] = rng.integers(0, triangle_count, shape)
        parts[coordinates_name] = weights / weights.sum(axis=-1, keepdims=True)
    return parts | {"landmark_indices": rng.permutation(468)[:105].astype(np.int32)}


def static_landmark_pickle(parts: dict[str, np.ndarray], protocol: int = 2) -> bytes:
    """`flame_static_embedding.pkl`, as Python 2 wrote it."""
    content = {"lmk_face_idx": parts["static_lmk_faces_idx"], "lmk_b_coords": parts["static_lmk_bary_coords"]}
    written = Python2Pickler.written(content, protocol)
    return written.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def object_npy(content: object, protocol: int = 2) -> bytes:
    """A `.npy` of one object, as `flame_dynamic_embedding.npy` and `landmark_embedding.npy` are."""
    holder = np.empty((), dtype=object)
    holder[()] = content
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|O", "fortran_order": False, "shape": ()})
    return stream.getvalue() + pickle.dumps(holder, protocol)


def dynamic_landmark_npy(parts: dict[str, np.ndarray]) -> bytes:
    """`flame_dynamic_embedding.npy`: lists of arrays, one for each turn."""
    return object_npy(
        {"lmk_face_idx": list(parts["dynamic_lmk_faces_idx"]), "lmk_b_coords": list(parts["dynamic_lmk_bary_coords"])}
    )


def combined_landmark_npy(parts: dict[str, np.ndarray], protocol: int = 4) -> bytes:
    """`landmark_embedding.npy` as DECA has it, with the contour as tensors of torch."""
    names = [name for name in parts if "_lmk_" in name]
    with _fake_torch() as tensor:
        return object_npy(
            {name: tensor(parts[name]) if name.startswith("dynamic") else parts[name] for name in names}, protocol
        )


_STORAGES = {"f4": "FloatStorage", "f8": "DoubleStorage", "i8": "LongStorage", "i4": "IntStorage"}


@contextlib.contextmanager
def _fake_torch() -> Iterator[type]:
    """A stand-in for torch's tensor on the CPU, which pickles to the bytes that torch 2.13 writes."""

    def _rebuild_tensor_v2() -> None: ...
    def _load_from_bytes() -> None: ...

    storages = {name: type(name, (), {"__module__": "torch"}) for name in _STORAGES.values()}
    modules = {name: types.ModuleType(name) for name in ("torch", "torch._utils", "torch.storage")}
    for function, module in ((_rebuild_tensor_v2, "torch._utils"), (_load_from_bytes, "torch.storage")):
        function.__module__, function.__qualname__ = module, function.__name__
        setattr(modules[module], function.__name__, function)
    vars(modules["torch"]).update(storages)

    class Storage:
        def __init__(self, array: np.ndarray):
            self.array = array

        def __reduce__(self) -> tuple[object, ...]:
            return _load_from_bytes, (_torch_file(self.array, storages[_STORAGES[self.array.dtype.str[1:]]]),)

    class Tensor:
        def __init__(self, array: np.ndarray):
            self.array = array

        def __reduce__(self) -> tuple[object, ...]:
            strides = tuple(stride // self.array.itemsize for stride in self.array.strides)
            state: tuple[object, ...] = (
                Storage(self.array.ravel()),
                0,
                self.array.shape,
                strides,
                False,
                collections.OrderedDict(),
            )
            return _rebuild_tensor_v2, state

    sys.modules.update(modules)
    try:
        yield Tensor
    finally:
        for name in modules:
            del sys.modules[name]


def _torch_file(array: np.ndarray, storage: type) -> bytes:
    """A storage in the form of torch before 1.6, which it still has inside of a pickle."""
    key = "94067506989840"

    class Pickler(pickle.Pickler):
        def persistent_id(self, thing: object) -> object:
            return ("storage", storage, key, "cpu", array.size, None) if thing is array else None

    sizes = {"short": 2, "int": 4, "long": 4}
    stream = io.BytesIO()
    for content in (
        0x1950A86A20F9469CFC6C,
        1001,
        {"protocol_version": 1001, "little_endian": True, "type_sizes": sizes},
        array,
        [key],
    ):
        Pickler(stream, protocol=2).dump(content)
    return stream.getvalue() + array.size.to_bytes(8, "little") + array.tobytes()
