"""One analyzer by its name, without the others."""

from __future__ import annotations

from importlib import import_module

from analyzers.base import AnyAnalyzer


def import_analyzer(name: str) -> type[AnyAnalyzer]:
    """The class of this name, from ``analyzers/<name>.py``.

    A replica runs one analyzer: importing the whole catalogue, with the models of all results, would double what the
    project's own modules cost at its start.

    Raises:
        RetiredAnalyzer: Earlier systems had it; the text says what replaced it.
        UnknownAnalyzer: There never was one; the text names those there are.
    """
    if name.isidentifier():
        try:
            module = import_module(f"analyzers.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"analyzers.{name}":
                raise
        else:
            for cls in vars(module).values():
                if isinstance(cls, type) and cls.__module__ == module.__name__ and getattr(cls, "name", None) == name:
                    return cls
    from analyzers.catalogue import analyzer_class

    return analyzer_class(name)
