"""The one public door of a node that serves several shards: it sends each request to the shard's own door."""
