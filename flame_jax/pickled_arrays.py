"""Arrays out of the inert tree of a pickle: numpy arrays, scipy's sparse matrices and chumpy's constants.

Every array is built here from bytes, shape and number type that were checked first; neither numpy's nor scipy's own
unpickling takes part, and chumpy, which can no longer be installed, is not needed.
"""

from __future__ import annotations

import math
import re

import numpy as np

from flame_jax.safe_pickle import Made, Name

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
        ("_codecs", "encode"),
        ("copy_reg", "_reconstructor"),
        ("copyreg", "_reconstructor"),
        ("copy_reg", "__newobj__"),
        ("copyreg", "__newobj__"),
        ("collections", "OrderedDict"),
    ]
)
_NUMBER_TYPE = re.compile(r"[<>=|]?(b1|[iu][1248]|f[248])")
_LARGEST_DENSE = 1 << 28
"""Numbers in a sparse matrix written out; FLAME's joint regressor has 5 x 5,023."""
_DEEPEST = 16
"""Constants within constants; the models nest two."""


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


def array_of(tree: object, depth: int = 0) -> np.ndarray:
    """The array that a node of the tree describes, sparse ones written out.

    Raises:
        ValueError: It describes none, or one whose bytes and shape disagree.
    """
    if depth > _DEEPEST:
        raise ValueError("constants nested without end")
    if isinstance(tree, bool | int | float):
        return np.asarray(tree)
    if isinstance(tree, list | tuple):
        return _listed(tree)
    if isinstance(tree, Made):
        if tree.maker.name in ("_reconstruct", "ndarray"):
            return _numpy_array(tree)
        if tree.maker.name == "_frombuffer":
            raw, number_type, shape, order = tree.arguments
            return _from_bytes(raw, number_type, shape, order == "F")
        if tree.maker.name == "scalar":
            number_type, raw = tree.arguments
            return _from_bytes(raw, number_type, (), False)
        if tree.maker.name in _SPARSE_NAMES:
            return _sparse(tree, depth)
        if tree.maker.module.split(".")[0] == "chumpy":
            return _chumpy(tree, depth)
    raise ValueError(f"not an array but {tree.maker if isinstance(tree, Made) else type(tree).__name__}")


def _listed(tree: list | tuple) -> np.ndarray:
    rows = tree if tree and all(isinstance(row, list | tuple) for row in tree) else [tree]
    if not all(isinstance(item, bool | int | float) for row in rows for item in row):
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
    dtype = _number_type(number_type)
    if not isinstance(shape, tuple) or not all(isinstance(size, int) and size >= 0 for size in shape):
        raise ValueError("an array with a damaged shape")
    content = _bytes(raw)
    if math.prod(shape) * dtype.itemsize != len(content):
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


def _sparse(tree: Made, depth: int) -> np.ndarray:
    if not isinstance(tree.state, dict):
        raise ValueError("a sparse matrix without its content")
    shape = tuple(int(size) for size in array_of(tree.state.get("_shape", tree.state.get("shape")), depth + 1))
    data, indices, starts = (array_of(tree.state.get(key), depth + 1) for key in ("data", "indices", "indptr"))
    if len(shape) != 2 or min(shape) < 0 or math.prod(shape) > _LARGEST_DENSE:
        raise ValueError(f"a sparse matrix of shape {shape}")
    by_column = tree.maker.name.startswith("csc")
    counts = np.diff(starts)
    if len(starts) != shape[by_column] + 1 or (counts < 0).any() or counts.sum() != len(data):
        raise ValueError("a damaged sparse matrix")
    if len(indices) != len(data) or (indices < 0).any() or (indices >= shape[not by_column]).any():
        raise ValueError("a damaged sparse matrix")
    outer = np.repeat(np.arange(len(counts)), counts)
    dense = np.zeros(shape, dtype=data.dtype.newbyteorder("="))
    np.add.at(dense, (indices, outer) if by_column else (outer, indices), data)
    return dense


def _chumpy(tree: Made, depth: int) -> np.ndarray:
    # `Ch` is a constant; `Select` and `Reshape` are views of one. Anything else is arithmetic, which nobody needs.
    state = tree.state if isinstance(tree.state, dict) else {}
    if tree.maker.name == "Ch" and "x" in state:
        return array_of(state["x"], depth + 1)
    if tree.maker.name == "Select" and "a" in state:
        picked = array_of(state["a"], depth + 1).ravel()[array_of(state.get("idxs"), depth + 1)]
        return picked.reshape(_shape(state["preferred_shape"])) if "preferred_shape" in state else picked
    if tree.maker.name == "Reshape" and "a" in state:
        return array_of(state["a"], depth + 1).reshape(_shape(state.get("newshape")))
    raise ValueError(f"an expression of {tree.maker} instead of an array")


def _shape(tree: object) -> tuple[int, ...]:
    return tuple(int(size) for size in np.atleast_1d(array_of(tree)))
