"""Turns other people's models into programs: ONNX, quantised or float, and safetensors weights.

Everything here works on bytes and arrays that are handed in. The ``onnx`` package is an optional extra and is
imported only when an ONNX file is read; nothing is ever unpickled, and nothing that a file names is opened.
"""
