"""Types of arrays with their shapes, such as `Float[np.ndarray, "n d"]`, for annotations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxtyping import Bool as Bool
    from jaxtyping import Float as Float
    from jaxtyping import Float32 as Float32
    from jaxtyping import Int as Int
    from jaxtyping import Int16 as Int16
    from jaxtyping import Int32 as Int32
    from jaxtyping import UInt8 as UInt8
    from jaxtyping import UInt32 as UInt32
    from jaxtyping import UInt64 as UInt64
else:  # annotations are not evaluated, so jaxtyping is needed for checking types only
    Bool = Float = Float32 = Int = Int16 = Int32 = UInt8 = UInt32 = UInt64 = Any
