"""Limits of a program. Whatever is larger is refused before anything is allocated for it."""

from typing import Final

PROGRAM_SIZE_MAX: Final = 2**22
"""Longest encoded program in bytes: 4 MiB hold tens of thousands of channel multipliers; weights lie outside.
"""

INLINE_SIZE_MAX: Final = 4096
"""Longest initialiser written into the program itself, in bytes: one chunk. Longer ones are named by content.
"""

NODES_MAX: Final = 4096
"""Most nodes: thrice the largest published image classifiers; bounds planning and compilation."""

INPUTS_MAX: Final = 64
"""Most inputs, and most outputs, of a program."""

INITIALIZERS_MAX: Final = 8192
"""Most initialisers: two for every node."""

RANK_MAX: Final = 6
"""Most dimensions of a tensor, not counting rows."""

ELEMENTS_MAX: Final = 2**26
"""Most elements of one tensor (of one row): 64 MiB of int8 weights, 256 MiB of int32."""

TOTAL_ELEMENTS_MAX: Final = 2**28
"""Most elements of all tensors of one row together: what a worker may have to hold at once."""

MACS_MAX: Final = 2**40
"""Most multiply-accumulates, and most elementary steps, of one row: some minutes of one core."""

REDUCTION_MAX: Final = 65_536
"""Most products in one sum (K): 255 x 127 x 65,536 + 2^23 < 2^31, the bound of AIVM-Q1."""

BIAS_MAX: Final = 2**23
"""Largest magnitude of a bias added to a sum of products; part of the same bound."""

WIDE_MAX: Final = 2**62
"""Largest magnitude of any 64-bit intermediate: one bit below the type, so that rounding cannot leave it."""

MULTIPLIER_MIN: Final = 2**30
"""Smallest multiplier in modes RNE64 and TFL1: all 31 bits are significant, so each scale has one form."""

MULTIPLIER_MAX: Final = 2**31 - 1
"""Largest multiplier: the product with a 32-bit sum stays below 2^62."""

MANTISSA_MIN: Final = 2**23
"""Smallest multiplier in mode ORT_F32: the leading bit of a normal float32's mantissa."""

MANTISSA_MAX: Final = 2**24 - 1
"""Largest multiplier in mode ORT_F32: 24 significant bits."""

SHIFT_MAX: Final = 62
"""Longest right shift of a 64-bit product: below 2^62 everything has then become 0 or a tie."""

WINDOW_MAX: Final = 4096
"""Longest side of a pooling or convolution window, its stride, dilation and padding, in elements."""

NORMALIZED_MAX: Final = 2**15
"""Most elements normalised together (n): 255^2 n^2 2^16 is then below 2^62 (see the oracle)."""

EPSILON_MAX: Final = 2**54
"""Largest epsilon of a normalisation: together with the longest variance still below 2^62."""

SORTED_MAX: Final = 2**12
"""Most elements that top-k ranks: backends compare each with each, 2^24 steps."""
