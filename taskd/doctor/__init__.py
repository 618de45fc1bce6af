"""The doctor: what is well and what is not with an installation, and the fix for each.

Each check looks and changes nothing, needs no daemon, and knows no other.
"""
