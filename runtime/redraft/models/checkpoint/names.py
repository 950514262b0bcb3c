"""Names that a pickle may hold without being refused; none of them is ever looked up."""

from __future__ import annotations

from redraft.models.checkpoint.refs import DTYPE_BYTES

DTYPE_NAMES = frozenset(f"torch.{dtype}" for dtype in DTYPE_BYTES)
# Values that say nothing about the weights: a run's arguments, a device, a set of numbers.
IRRELEVANT = frozenset(
    {
        "argparse.Namespace",
        "torch.Size",
        "torch.device",
        "torch.serialization._get_layout",
        "builtins.set",
        "builtins.bytearray",
        "builtins.complex",
        "__builtin__.set",
        "__builtin__.bytearray",
        "__builtin__.complex",
        "collections.Counter",
        "_codecs.encode",
    }
)
# Plain values that trainings save beside weights, and that torch's own safe loader refuses.
PLAIN = frozenset(
    {
        *(f"pathlib.{kind}Path" for kind in ("", "Pure", "Posix", "Windows")),
        *("pathlib.PurePosixPath", "pathlib.PureWindowsPath"),
        *(f"pathlib._local.{kind}Path" for kind in ("", "Posix", "Windows")),
        *("pathlib._local.PurePosixPath", "pathlib._local.PureWindowsPath"),
        *(f"datetime.{kind}" for kind in ("datetime", "date", "time", "timedelta", "timezone")),
        *("decimal.Decimal", "fractions.Fraction", "uuid.UUID", "random.Random"),
        *("types.SimpleNamespace", "builtins.frozenset", "__builtin__.frozenset"),
        *("builtins.slice", "builtins.range", "__builtin__.xrange", "collections.deque"),
        *("numpy.dtype", "numpy.ndarray"),
        *(
            f"{module}.{name}"
            for module in ("numpy.core", "numpy._core")
            for name in ("multiarray.scalar", "multiarray._reconstruct", "numeric._frombuffer")
        ),
        *(f"numpy.random._pickle.__{kind}_ctor" for kind in ("randomstate", "generator")),
        "numpy.random._pickle.__bit_generator_ctor",
        "numpy.random.bit_generator.__pyx_unpickle_SeedSequence",
        *("numpy.random.mtrand.RandomState", "numpy.random._generator.Generator"),
        *("numpy.random._mt19937.MT19937", "numpy.random._pcg64.PCG64"),
    }
)
FACTORIES = frozenset(
    f"{module}.{name}"
    for module in ("builtins", "__builtin__")
    for name in ("list", "dict", "int", "float", "str", "tuple", "bool", "set")
)
"""What a ``defaultdict`` may be made with."""
