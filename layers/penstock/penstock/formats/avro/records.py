"""Chooses the decoder of a schema.

fastavro decodes most schemas. It has no limit for the depth of values, nor for items that take no byte, and it does not
tell of which branch of a union a value is. Schemas that need one of these are decoded in Python.
"""

from __future__ import annotations

from penstock.formats.avro.careful_decoder import CarefulDecoder
from penstock.formats.avro.conversions import any_ambiguous
from penstock.formats.avro.decoded import Decoder
from penstock.formats.avro.fast_decoder import FastDecoder
from penstock.formats.avro.schema import Node
from penstock.formats.avro.shape import Shape, all_nodes


def decoder_for(top: Node, shape: Shape) -> Decoder:
    """Return the decoder for a schema."""
    nodes = all_nodes(top)
    careful = CarefulDecoder(top, shape)
    if shape.is_recursive or shape.repeats_nothing(nodes) or not shape.least(top) or any_ambiguous(nodes):
        return careful
    return FastDecoder(top, careful)
