"""Measuring: what a benchmark is, how figures are taken and compared, and the load tool."""
