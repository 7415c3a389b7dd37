"""What the operators of AIVM-Q1 compute, written as their formulas in 64-bit integers.

One module per family; nothing is clever and nothing is shared. Values are int64 arrays whose first dimension
counts rows; initialisers have one row there. Every backend is compared with this.
"""
