"""What is fuzzed, by name."""

from fuzz.harness import Target
from fuzz.targets import (
    avro,
    codecs,
    documents,
    events,
    indexes,
    parquet,
    routes,
    serialization,
    span_planning,
    tables,
    tars,
    workbooks,
    zips,
)

TARGETS: dict[str, Target] = {
    target.name: target
    for module in (
        events,
        routes,
        codecs,
        indexes,
        span_planning,
        tars,
        zips,
        tables,
        documents,
        avro,
        parquet,
        workbooks,
        serialization,
    )
    for target in module.TARGETS
}
