"""Arrays out of the inert tree of a pickle: of numpy, scipy's sparse matrices, torch's tensors, chumpy's constants.

Every array is built here from bytes, shape and number type that were checked first; no library's own unpickling takes
part. torch is not needed, nor is chumpy, which can no longer be installed. numpy's own files are read here too, because
what `.npy` and `.npz` hold of arrays of objects is a pickle.
"""

from __future__ import annotations

import io
import math
import re
import warnings
import zipfile
from collections.abc import Container

import numpy as np

from flame_jax.safe_pickle import Made, Name, Reference, naming, read_next_pickle, read_pickle

_NUMPY_MODULES = frozenset(
    ["numpy", "numpy.core.multiarray", "numpy._core.multiarray", "numpy.core.numeric", "numpy._core.numeric"]
)
_NUMPY_NAMES = frozenset(["ndarray", "dtype", "_reconstruct", "scalar", "_frombuffer"])
_SPARSE_NAMES = frozenset(["csc_matrix", "csr_matrix", "csc_array", "csr_array"])
_SPARSE_MODULES = frozenset(
    ["scipy.sparse", "scipy.sparse.csc", "scipy.sparse.csr", "scipy.sparse._csc", "scipy.sparse._csr"]
)
_BUILTIN_NAMES = frozenset(["object", "set", "frozenset", "list", "tuple", "dict"])
_OTHER_NAMES = frozenset(
    [
        *((module, name) for module in ("copy_reg", "copyreg") for name in ("_reconstructor", "__newobj__")),
        *(("_codecs", "encode"), ("collections", "OrderedDict")),
        *(("torch._utils", "_rebuild_tensor_v2"), ("torch.storage", "_load_from_bytes")),
    ]
)
_TORCH_STORAGES = {
    **{"DoubleStorage": "<f8", "FloatStorage": "<f4", "HalfStorage": "<f2", "LongStorage": "<i8", "IntStorage": "<i4"},
    **{"ShortStorage": "<i2", "CharStorage": "<i1", "ByteStorage": "<u1", "BoolStorage": "|b1"},
}
_TORCH_START = (0x1950A86A20F9469CFC6C, 1001)
"""The first two pickles of the form in which torch wrote every file before its 1.6 and writes a storage in a pickle."""
_NUMBER_TYPE = re.compile(r"[<>=|]?(b1|[iu][1248]|f[248])")
_LARGEST_DENSE = 1 << 28
"""Numbers in a sparse matrix written out; FLAME's joint regressor has 5 x 5,023."""
_LARGEST_LIST = 1 << 22
"""Numbers in lists of lists; FLAME's contour has 79 x 17 x 3."""
_LARGEST_MEMBER = 1 << 30
"""Bytes of one array in an `.npz`; ICT-FaceKit's 100 identities have 16 million, or 128 million as float64."""

_Known = dict[int, np.ndarray | None]
"""The arrays of nodes by `id`, so that what a pickle repeats is read once; None while one is being read."""


def admitted(name: Name) -> bool:
    """Whether a head model's pickle may refer to `name`."""
    if name.module in _NUMPY_MODULES:
        return name.name in _NUMPY_NAMES
    if name.module in _SPARSE_MODULES:
        return name.name in _SPARSE_NAMES
    if name.module in ("__builtin__", "builtins"):
        return name.name in _BUILTIN_NAMES
    return name.module.split(".")[0] == "chumpy" or (name.module, name.name) in _OTHER_NAMES


def dictionary_of(tree: object) -> dict[object, object]:
    """A pickled dictionary, plain or ordered.

    Raises:
        ValueError: It is something else.
    """
    if isinstance(tree, Made) and tree.maker.name in ("OrderedDict", "dict"):
        pairs = tree.arguments[0] if tree.arguments else ()
        if not isinstance(pairs, list | tuple) or not all(isinstance(pair, list | tuple) for pair in pairs):
            raise ValueError("a dictionary made in an unknown way")
        return dict(pairs) | tree.items
    if isinstance(tree, dict):
        return tree
    raise ValueError("it holds no dictionary of named arrays")


def array_of(tree: object) -> np.ndarray:
    """The array that a node of the tree describes, sparse ones written out.

    Raises:
        ValueError: It describes none, or one whose bytes and shape disagree.
    """
    return _array(tree, {})


def _array(tree: object, known: _Known) -> np.ndarray:
    if isinstance(tree, np.ndarray | bool | int | float):
        return np.asarray(tree)
    if not isinstance(tree, list | tuple | Made):
        raise ValueError(f"not an array but {type(tree).__name__}")
    if id(tree) not in known:
        known[id(tree)] = None
        known[id(tree)] = _made_array(tree, known) if isinstance(tree, Made) else _listed(tree, known)
    found = known[id(tree)]
    if found is None:
        raise ValueError("an array within itself")
    return found


def _made_array(tree: Made, known: _Known) -> np.ndarray:
    if tree.maker.name in ("_reconstruct", "ndarray"):
        return _numpy_array(tree)
    if tree.maker.name == "_frombuffer":
        raw, number_type, shape, order = tree.arguments
        return _from_bytes(raw, number_type, shape, order == "F")
    if tree.maker.name == "scalar":
        number_type, raw = tree.arguments
        return _from_bytes(raw, number_type, (), False)
    if tree.maker.name in _SPARSE_NAMES:
        return _sparse(tree, known)
    if tree.maker.name == "_rebuild_tensor_v2":
        return _tensor(tree)
    if tree.maker.module.split(".")[0] == "chumpy":
        return _chumpy(tree, known)
    raise ValueError(f"not an array but {tree.maker}")


def tree_of_npy(content: bytes) -> object:
    """What a `.npy` file holds: an array, or the tree of the one object in it.

    Raises:
        ValueError: Damaged, or an array of several objects.
    """
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"it is of the unknown .npy version {version}")
    with warnings.catch_warnings():
        # numpy warns of headers written by Python 2, as FLAME's were.
        warnings.simplefilter("ignore")
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = header(stream)
    if dtype.hasobject:
        return _only_object(read_pickle(stream.read(), admitted))
    return _shaped(stream.read(), dtype, shape, fortran)


def trees_of_npz(content: bytes, wanted: Container[str]) -> dict[str, object]:
    """What an `.npz` file holds under the wanted names, each as `tree_of_npy`; the others are not looked at.

    Raises:
        ValueError: A damaged member; the message begins with its name.
        zipfile.BadZipFile: A damaged zip file; zipfile raises other types, too.
    """
    found: dict[str, object] = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for member in archive.infolist():
            name = member.filename.removesuffix(".npy")
            if name not in wanted:
                continue
            if member.file_size > _LARGEST_MEMBER:
                raise ValueError(f"{name}: it would take {member.file_size} bytes")
            with naming(name):
                found[name] = tree_of_npy(archive.read(member))
    return found


def _only_object(tree: object) -> object:
    # numpy pickles the array of shape () around the object, whose content is then a list.
    if isinstance(tree, Made) and tree.maker.name == "_reconstruct" and isinstance(tree.state, tuple):
        content = tree.state[-1]
        if isinstance(content, list) and len(content) == 1:
            return content[0]
    raise ValueError("an array of Python objects")


def _listed(tree: list | tuple, known: _Known) -> np.ndarray:
    if any(isinstance(item, list | tuple | Made) for item in tree):
        rows: list[np.ndarray] = []
        for item in tree:
            rows.append(_array(item, known))
            # Counted on the way: a small pickle can list the same list again and again, on every level.
            if rows[-1].shape != rows[0].shape or not 0 < len(rows) * rows[0].size <= _LARGEST_LIST:
                raise ValueError("a list of arrays that are not of one shape, or too long")
        return np.stack(rows)
    if not all(isinstance(item, bool | int | float) for item in tree):
        raise ValueError("a list of something else than numbers")
    array = np.asarray(tree)
    if array.dtype.kind not in "biuf":
        raise ValueError("a list of numbers that are too large")
    return array


def _numpy_array(tree: Made) -> np.ndarray:
    # The state of numpy.ndarray.__reduce__: version, shape, number type, whether Fortran order, bytes.
    if not isinstance(tree.state, tuple) or len(tree.state) != 5:
        raise ValueError("an array without its content")
    _, shape, number_type, fortran, raw = tree.state
    return _from_bytes(raw, number_type, shape, bool(fortran))


def _from_bytes(raw: object, number_type: object, shape: object, fortran: bool) -> np.ndarray:
    return _shaped(_bytes(raw), _number_type(number_type), _whole_numbers(shape), fortran)


def _shaped(content: bytes, dtype: np.dtype, shape: tuple[int, ...], fortran: bool) -> np.ndarray:
    if dtype.itemsize == 0 or math.prod(shape) * dtype.itemsize != len(content):
        raise ValueError(f"an array of shape {shape} with {len(content)} bytes of content")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")


def _bytes(raw: object) -> bytes:
    if isinstance(raw, Made) and raw.maker.name == "encode":
        raw = raw.arguments[0]
    if isinstance(raw, str):
        return raw.encode("latin-1")
    if isinstance(raw, bytes | bytearray):
        return bytes(raw)
    raise ValueError("an array of Python objects")


def _number_type(tree: object) -> np.dtype:
    # numpy.dtype.__reduce__: the code in the arguments, the byte order second in the state.
    if not (isinstance(tree, Made) and tree.maker.name == "dtype" and tree.arguments):
        raise ValueError("an array without a number type")
    code = str(tree.arguments[0])
    order = str(tree.state[1]) if isinstance(tree.state, tuple) and len(tree.state) > 1 else "="
    if not _NUMBER_TYPE.fullmatch(code) or order not in ("<", ">", "=", "|"):
        raise ValueError(f"an array of {code[:20]!r} instead of numbers")
    return np.dtype(order + code.lstrip("<>=|"))


def _sparse(tree: Made, known: _Known) -> np.ndarray:
    if not isinstance(tree.state, dict):
        raise ValueError("a sparse matrix without its content")
    shape = tuple(int(size) for size in _array(tree.state.get("_shape", tree.state.get("shape")), known))
    data, indices, starts = (_array(tree.state.get(key), known) for key in ("data", "indices", "indptr"))
    if len(shape) != 2 or min(shape) < 0 or math.prod(shape) > _LARGEST_DENSE:
        raise ValueError(f"a sparse matrix of shape {shape}")
    by_column = tree.maker.name.startswith("csc")
    counts = np.diff(starts)
    whole = len(starts) == shape[by_column] + 1 and (counts >= 0).all() and counts.sum() == len(data) == len(indices)
    if not whole or (indices < 0).any() or (indices >= shape[not by_column]).any():
        raise ValueError("a damaged sparse matrix")
    outer = np.repeat(np.arange(len(counts)), counts)
    dense = np.zeros(shape, dtype=data.dtype.newbyteorder("="))
    np.add.at(dense, (indices, outer) if by_column else (outer, indices), data)
    return dense


def _tensor(tree: Made) -> np.ndarray:
    # The arguments: storage, offset in it, shape, strides in numbers, and what concerns gradients.
    storage, offset, shape, strides = tree.arguments[:4]
    if not (isinstance(storage, Made) and storage.maker.name == "_load_from_bytes"):
        raise ValueError("a tensor without its content")
    values = _torch_storage(io.BytesIO(_bytes(storage.arguments[0])))
    sizes, steps, (start,) = _whole_numbers(shape), _whole_numbers(strides), _whole_numbers((offset,))
    if len(sizes) != len(steps) or math.prod(sizes) > len(values):
        raise ValueError("an array with a damaged shape")
    places = np.asarray(start)
    for size, step in zip(sizes, steps, strict=True):
        places = places[..., None] + step * np.arange(size)
    if places.size and places.max() >= len(values):
        raise ValueError("an array with a damaged shape")
    return values[places]


def _torch_storage(stream: io.BytesIO) -> np.ndarray:
    # Magic number, version, what machine wrote it, the storage as a reference, the list of references, the numbers.
    def is_storage(name: Name) -> bool:
        return name.module == "torch" and name.name in _TORCH_STORAGES

    start = tuple(read_next_pickle(stream, is_storage) for _ in range(2))
    machine, storage, _ = (read_next_pickle(stream, is_storage) for _ in range(3))
    if start != _TORCH_START or not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise ValueError("a tensor written in an unknown way")
    key = storage.key if isinstance(storage, Reference) else None
    if not (isinstance(key, tuple) and len(key) >= 5 and key[0] == "storage" and isinstance(key[1], Name)):
        raise ValueError("a tensor without its content")
    count = int.from_bytes(stream.read(8), "little")
    return _shaped(stream.read(), np.dtype(_TORCH_STORAGES[key[1].name]), (count,), False)


def _whole_numbers(tree: object) -> tuple[int, ...]:
    if not isinstance(tree, tuple | list) or not all(isinstance(item, int) and 0 <= item < 2**31 for item in tree):
        raise ValueError("an array with a damaged shape")
    return tuple(tree)


def _chumpy(tree: Made, known: _Known) -> np.ndarray:
    # `Ch` is a constant; `Select` and `Reshape` are views of one. Anything else is arithmetic, which nobody needs.
    state = tree.state if isinstance(tree.state, dict) else {}
    if tree.maker.name == "Ch" and "x" in state:
        return _array(state["x"], known)
    if tree.maker.name == "Select" and "a" in state:
        picked = _array(state["a"], known).ravel()[_array(state.get("idxs"), known)]
        return picked.reshape(_shape(state["preferred_shape"])) if "preferred_shape" in state else picked
    if tree.maker.name == "Reshape" and "a" in state:
        return _array(state["a"], known).reshape(_shape(state.get("newshape")))
    raise ValueError(f"an expression of {tree.maker} instead of an array")


def _shape(tree: object) -> tuple[int, ...]:
    return tuple(int(size) for size in np.atleast_1d(array_of(tree)))
