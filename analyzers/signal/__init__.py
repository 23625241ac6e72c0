"""Measures shared by several analyzers: pure functions over arrays, no models of the document."""
