"""One piece of data: what it is, in a few facts, and the digest of its content."""

from __future__ import annotations

from typing import Any

from mltracker.capture import arrays, frames
from mltracker.capture.hashing import node
from mltracker.capture.loaded import is_a
from mltracker.errors import InvalidValue

# Of libraries that are not imported here: hence Any.

_KNOWN = {
    "numpy": ("ndarray",),
    "torch": ("Tensor",),
    "pandas": ("DataFrame", "Series", "Index"),
    "pandas.api.extensions": ("ExtensionArray",),
    "polars": ("DataFrame", "Series", "LazyFrame"),
}


def knows(value: Any) -> bool:
    """Whether it is an array, a tensor or a frame."""
    return any(is_a(value, module, *names) for module, names in _KNOWN.items()) or _is_sparse(value)


def fingerprint(value: Any, path: str) -> tuple[dict[str, Any], bytes]:
    """Facts (with `kind`) and digest of an array, a tensor or a frame. Raises InvalidValue where it has no content."""
    kind = f"{type(value).__module__.partition('.')[0]}.{type(value).__name__}"
    if is_a(value, "polars", "LazyFrame"):
        raise InvalidValue(path, "a LazyFrame holds no data yet", hint="Collect it first: frame.collect()")
    if is_a(value, "numpy", "ndarray"):
        facts = {"shape": list(value.shape), "dtype": arrays.dtype_name(value.dtype), "bytes": int(value.nbytes)}
        return {"kind": kind, **facts}, arrays.array(value, path)
    if is_a(value, "torch", "Tensor"):
        facts = {"shape": list(value.shape), "dtype": str(value.dtype).removeprefix("torch.")}
        return {"kind": "torch.Tensor", **facts}, _tensor(value, path)
    if _is_sparse(value):
        facts = {"shape": list(value.shape), "dtype": arrays.dtype_name(value.dtype), "values": int(value.nnz)}
        return {"kind": "scipy.sparse", **facts}, _sparse(value, path)
    if hasattr(value, "columns"):
        digest = frames.polars_frame if kind.startswith("polars") else frames.pandas_frame
        return {"kind": kind, "rows": len(value), "columns": len(value.columns)}, digest(value, path)
    return {"kind": kind, "rows": len(value), "dtype": str(value.dtype)}, _of_column(value, kind, path)


def _of_column(value: Any, kind: str, path: str) -> bytes:
    if kind.startswith("polars"):
        return frames.polars_series(value, path)
    if is_a(value, "pandas", "Series"):
        return frames.pandas_series(value, path)
    return frames.index(value, path) if hasattr(value, "nlevels") else frames.column(value, path)


def _is_sparse(value: Any) -> bool:
    return is_a(value, "scipy.sparse", "sparray", "spmatrix")


def _sparse(value: Any, path: str) -> bytes:
    """The entries by row and column, those that are zero left out."""
    rows = value.tocsr(copy=True)
    rows.sum_duplicates()
    rows.eliminate_zeros()
    rows.sort_indices()
    places = (arrays.array(part.astype("i8"), path) for part in (rows.indptr, rows.indices))
    return node("sparse matrix", {"shape": list(value.shape)}, [*places, arrays.array(rows.data, path)])


def _tensor(tensor: Any, path: str) -> bytes:
    """Shape, dtype and numbers; neither the device nor what autograd knows."""
    dtype = str(tensor.dtype).removeprefix("torch.")
    header = {"shape": list(tensor.shape), "dtype": dtype}
    if tensor.is_quantized or tensor.device.type == "meta" or getattr(tensor, "is_nested", False):
        raise InvalidValue(path, f"a {tensor.device.type} tensor of {dtype} whose numbers cannot be read")
    held = tensor.detach()
    if str(held.layout) != "torch.strided":
        held = held.to_sparse_coo().coalesce()
        parts = [_tensor(part, path) for part in (held.indices(), held.values())]
        return node("sparse tensor", header, parts)
    held = held.cpu().resolve_conj().resolve_neg()
    if dtype == "bfloat16" or dtype.startswith("float8"):
        held = held.float()  # exact; NumPy does not have these
    return node("tensor", header, [arrays.array(held.numpy(), path)])
