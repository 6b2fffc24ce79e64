"""What is fuzzed, by name."""

from fuzz.harness import Target
from fuzz.targets import codecs, cutting, documents, events, indexes, routes, tables, values, workbooks

TARGETS: dict[str, Target] = {
    target.name: target
    for module in (events, routes, codecs, indexes, cutting, tables, documents, workbooks, values)
    for target in module.TARGETS
}
