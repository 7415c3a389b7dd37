"""Programs: typed graphs of integer operators, the form in which any model enters the network (AIVM-Q1).

``types`` says what a tensor is, ``operators`` what may stand at a node, ``record`` how a program is written
and named; ``planning`` checks a whole program once and gives the type of every tensor, ``inference`` holds
the rules by operator family, ``costs`` counts work, ``binding`` joins a program with its weights. What an
operator computes is defined by ``aivm.oracle.graph``.
"""
