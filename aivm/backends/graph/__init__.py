"""The operators of AIVM-Q1 as tinygrad expressions, one module per family like ``aivm.oracle.graph``.

Integers alone, ORT_F32 included: a float operation could be fused with its neighbour (fused multiply-add) or
rounded another way on another device, an integer one cannot. Values are int32, and int64 where planning
allows for more; the first dimension counts rows, initialisers have one row there.
"""
