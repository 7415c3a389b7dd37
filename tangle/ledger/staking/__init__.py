"""Stakes, candidates and the election of committees: a pure book beside the accounts."""
