"""A MediaPipe ``.task`` that the real FaceLandmarker loads: two TFLite networks that always see the same face.

The bundle's format and the networks' inputs and outputs are the published ones; the networks are a constant plus the
mean of their input times a factor. The detector marks one box, or none where the picture is dark; the landmark network
answers with the face of ``face_shape``.
"""

from __future__ import annotations

import zipfile
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

DETECTOR_PX, MESH_PX, POINTS, ANCHORS = 128, 256, 478, 896

ANCHOR = (8 * 16 + 8) * 2
"""Of the first layer's 16 x 16 cells with two anchors each: the cell right below the middle."""

BOX_PX = 56.0
"""Side of the marked box in the detector's picture."""

RIGHT_EYE = {33: (-60, -30), 133: (-20, -30), 159: (-40, -36), 145: (-40, -24), 160: (-50, -36), 144: (-50, -24)}
RIGHT_EYE |= {158: (-30, -36), 153: (-30, -24)}
LEFT_EYE = {362: (20, -30), 263: (60, -30), 386: (40, -36), 374: (40, -24), 385: (30, -36), 380: (30, -24)}
LEFT_EYE |= {387: (50, -36), 373: (50, -24)}
OTHERS = {1: (0, 10), 4: (0, 12), 61: (-28, 44), 291: (28, 44), 152: (0, 90), 10: (0, -90)}
IRISES = {468: (-40, -30), 473: (40, -30)}
"""Points in px of the landmark network's picture, seen from its middle; ``right`` is the subject's."""


def face_shape() -> np.ndarray[Any, Any]:
    """float32 (478, 3): a round face that looks straight ahead."""
    turn = np.linspace(0.0, 2.0 * np.pi, POINTS, endpoint=False)
    points = np.stack([70.0 * np.sin(turn), 90.0 * np.cos(turn), np.zeros(POINTS)], axis=1)
    for index, (x, y) in {**RIGHT_EYE, **LEFT_EYE, **OTHERS, **IRISES}.items():
        points[index] = (x, y, 0.0)
    for first, centre in ((468, IRISES[468]), (473, IRISES[473])):
        for k, (dx, dy) in enumerate(((5, 0), (0, -5), (-5, 0), (0, 5)), first + 1):
            points[k] = (centre[0] + dx, centre[1] + dy, 0.0)
    return np.asarray(points + np.array([MESH_PX / 2, MESH_PX / 2, 0.0]), np.float32)


def make(folder: Path) -> None:
    """Bright pictures (mean above 0.15 of full brightness, padding counted) have a face, dark ones none."""
    boxes = np.zeros((1, ANCHORS, 16), np.float32)
    boxes[0, ANCHOR] = [0, 0, BOX_PX, BOX_PX, -12, -8, 12, -8, 0, 2, 0, 12, -24, -4, 24, -4]
    scores = np.full((1, ANCHORS, 1), -90.0, np.float32)
    scores[0, ANCHOR] = -6.0
    detector = network(
        (1, DETECTOR_PX, DETECTOR_PX, 3),
        [(boxes, 0.0), (scores, 40.0)],  # a logit of 4 at a quarter of full brightness, -4 at a twentieth
        mean=127.5,
        deviation=127.5,
        offset=1.0,
    )
    mesh = network(
        (1, MESH_PX, MESH_PX, 3),
        [(face_shape().reshape(1, 1, 1, POINTS * 3), 0.0), (np.full((1, 1, 1, 1), 8.0, np.float32), 0.0)],
        mean=0.0,
        deviation=255.0,
    )
    with zipfile.ZipFile(folder / "face_landmarker.task", "w", zipfile.ZIP_STORED) as bundle:
        bundle.writestr("face_detector.tflite", detector)
        bundle.writestr("face_landmarks_detector.tflite", mesh)


def network(
    shape: tuple[int, ...],
    outputs: list[tuple[np.ndarray[Any, Any], float]],
    mean: float,
    deviation: float,
    offset: float = 0.0,
) -> bytes:
    """A TFLite file: each output is its constant + its factor x (mean of the input + offset) / (2 if offset else 1)."""
    import flatbuffers

    tflite: Any = import_module("mediapipe.tasks.metadata.schema_py_generated")
    build = _Builder(tflite)
    seen = build.tensor("input", shape)
    axes = build.tensor("axes", (4,), np.arange(4, dtype=np.int32))
    average = build.tensor("average", (1, 1, 1, 1))
    build.mean(seen, axes, average)
    results = []
    for k, (constant, factor) in enumerate(outputs):
        scale = factor / 2.0 if offset else factor
        weight = build.tensor(f"weight{k}", (1, 1, 1, 1), np.full((1, 1, 1, 1), scale, np.float32))
        part = build.tensor(f"part{k}", (1, 1, 1, 1))
        build.binary("MUL", "MulOptions", average, weight, part)
        flat = build.tensor(f"flat{k}", (1,))
        build.reshape(part, flat, (1,))
        base = build.tensor(f"constant{k}", constant.shape, constant + np.float32(scale * offset))
        out = build.tensor(f"output{k}", constant.shape)
        build.binary("ADD", "AddOptions", base, flat, out)
        results.append(out)
    model = build.model([seen], results, _metadata(mean, deviation, len(outputs)))
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


class _Builder:
    """Collects tensors, buffers and operators of one graph."""

    def __init__(self, tflite: Any) -> None:
        self._tflite = tflite
        self._buffers = [tflite.BufferT()]
        self._tensors: list[Any] = []
        self._operators: list[Any] = []
        self._codes: list[int] = []

    def tensor(self, name: str, shape: tuple[int, ...], data: np.ndarray[Any, Any] | None = None) -> int:
        tensor = self._tflite.TensorT()
        tensor.name, tensor.shape = name.encode(), list(shape)
        integer = data is not None and data.dtype == np.int32
        tensor.type = self._tflite.TensorType.INT32 if integer else self._tflite.TensorType.FLOAT32
        tensor.buffer = 0
        if data is not None:
            buffer = self._tflite.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            self._buffers.append(buffer)
            tensor.buffer = len(self._buffers) - 1
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def mean(self, source: int, axes: int, result: int) -> None:
        options = self._tflite.ReducerOptionsT()
        options.keepDims = True
        self._add("MEAN", "ReducerOptions", options, [source, axes], result)

    def reshape(self, source: int, result: int, shape: tuple[int, ...]) -> None:
        options = self._tflite.ReshapeOptionsT()
        options.newShape = list(shape)
        target = self.tensor(f"shape{result}", (len(shape),), np.array(shape, np.int32))
        self._add("RESHAPE", "ReshapeOptions", options, [source, target], result)

    def binary(self, operator: str, options: str, a: int, b: int, result: int) -> None:
        self._add(operator, options, getattr(self._tflite, f"{options}T")(), [a, b], result)

    def _add(self, operator: str, kind: str, options: Any, inputs: list[int], result: int) -> None:
        code = getattr(self._tflite.BuiltinOperator, operator)
        if code not in self._codes:
            self._codes.append(code)
        node = self._tflite.OperatorT()
        node.opcodeIndex = self._codes.index(code)
        node.inputs, node.outputs = inputs, [result]
        node.builtinOptionsType = getattr(self._tflite.BuiltinOptions, kind)
        node.builtinOptions = options
        self._operators.append(node)

    def model(self, inputs: list[int], outputs: list[int], metadata: bytes) -> Any:
        graph = self._tflite.SubGraphT()
        graph.tensors, graph.operators = self._tensors, self._operators
        graph.inputs, graph.outputs, graph.name = inputs, outputs, b"main"
        model = self._tflite.ModelT()
        model.version, model.subgraphs = 3, [graph]
        for code in self._codes:
            entry = self._tflite.OperatorCodeT()
            entry.builtinCode, entry.deprecatedBuiltinCode, entry.version = code, min(code, 127), 1
            model.operatorCodes = [*(model.operatorCodes or []), entry]
        buffer = self._tflite.BufferT()
        buffer.data = np.frombuffer(metadata, np.uint8)
        self._buffers.append(buffer)
        note = self._tflite.MetadataT()
        note.name, note.buffer = b"TFLITE_METADATA", len(self._buffers) - 1
        model.metadata, model.buffers = [note], self._buffers
        return model


def _metadata(mean: float, deviation: float, outputs: int) -> bytes:
    import flatbuffers

    schema: Any = import_module("mediapipe.tasks.metadata.metadata_schema_py_generated")
    normal = schema.NormalizationOptionsT()
    normal.mean, normal.std = [mean], [deviation]
    unit = schema.ProcessUnitT()
    unit.optionsType, unit.options = schema.ProcessUnitOptions.NormalizationOptions, normal
    image = schema.ImagePropertiesT()
    image.colorSpace = schema.ColorSpaceType.RGB
    content = schema.ContentT()
    content.contentPropertiesType, content.contentProperties = schema.ContentProperties.ImageProperties, image
    seen = schema.TensorMetadataT()
    seen.name, seen.content, seen.processUnits = b"image", content, [unit]
    graph = schema.SubGraphMetadataT()
    graph.inputTensorMetadata = [seen]
    graph.outputTensorMetadata = [schema.TensorMetadataT() for _ in range(outputs)]
    model = schema.ModelMetadataT()
    model.name, model.subgraphMetadata = b"made by tests", [graph]
    builder = flatbuffers.Builder(256)
    builder.Finish(model.Pack(builder), b"M001")
    return bytes(builder.Output())
