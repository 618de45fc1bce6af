"""The benchmark suite: taskd beside its peers and the machine's limits (docs/performance.md)."""
