"""Changesets: what a layer adds, changes and removes. File objects only; nothing here opens a path."""
