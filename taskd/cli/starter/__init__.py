"""The files that `taskd init` writes, as they are written."""
