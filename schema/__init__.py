"""Contracts of the system: documents, sections, errors, jobs. Imports pydantic and the standard library only."""
