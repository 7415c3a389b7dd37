"""Tables of anybody's data: a CSV file becomes rows and labels that a standing job can be trained on.

Only who opens a job runs this; the network sees the rows that come out (``poi.training``).
"""
