"""The published JSON Schema: the document, with each analyzer's own result under its name."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from analyzers.catalogue import CATALOGUE
from schema.document import AnalysisDocument, Section


def document_json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the document; ``sections`` lists every analyzer of the catalogue."""
    inputs: list[Any] = [("document", "serialization", TypeAdapter(AnalysisDocument))]
    inputs.append(("section", "serialization", TypeAdapter(Section)))
    inputs += [(cls.name, "serialization", TypeAdapter(cls.Result)) for cls in CATALOGUE]
    refs, definitions = TypeAdapter.json_schemas(inputs)
    merged: dict[str, Any] = dict(definitions)
    schema = merged["$defs"].pop("AnalysisDocument")
    section = refs[("section", "serialization")]
    schema["properties"]["sections"] = {
        "type": "object",
        "description": "One section per analyzer that ran.",
        "additionalProperties": False,
        "properties": {
            cls.name: {
                "allOf": [
                    section,
                    {"properties": {"result": {"anyOf": [refs[(cls.name, "serialization")], {"type": "null"}]}}},
                ]
            }
            for cls in CATALOGUE
        },
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "$defs": merged["$defs"]}
