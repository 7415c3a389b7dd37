"""Which operands an operator takes and what it then gives: one module per family, nothing is computed.

A rule takes the operator and the ``Site`` where it stands, raises a narrow error or returns the types of
what the node gives. Ranges are carried along, and every sum is shown to fit its accumulator from them.
"""
