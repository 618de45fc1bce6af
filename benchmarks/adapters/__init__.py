"""One module for each contestant; the contract is in `benchmarks.contract`."""
