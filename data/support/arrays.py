"""Types of numpy arrays, by what they hold."""

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int32]
Counts = npt.NDArray[np.int64]
Indices = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int8]
