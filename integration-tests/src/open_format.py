"""Runs the README's lines on the blocks below the working folder and prints what they give, one JSON object for each sample."""

import glob
import json
import os
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def lines_of(name):
    return open(os.path.join(HERE, name)).read()


def bits(value):
    """Doubles by their bits, inside of lists and structures too."""
    if isinstance(value, float):
        return struct.pack(">d", value).hex()
    if isinstance(value, list):
        return [bits(item) for item in value]
    if isinstance(value, dict):
        return {key: bits(item) for key, item in value.items()}
    return value


def tell(labels, at, **what):
    print(json.dumps({"labels": dict(sorted(labels.items())), "at": at} | bits(what)))


def checksums(path):
    """Every page has a checksum that pyarrow finds right, and finds wrong once the last byte of a column chunk is another."""
    import pyarrow
    import pyarrow.parquet as pq

    def verify(data):
        pq.read_table(pyarrow.BufferReader(data), page_checksum_verification=True)

    data = open(path, "rb").read()
    verify(data)
    metadata = pq.ParquetFile(path).metadata
    for group in range(metadata.num_row_groups):
        for at in range(metadata.num_columns):
            column = metadata.row_group(group).column(at)
            start = column.dictionary_page_offset or column.data_page_offset
            damaged = bytearray(data)
            damaged[start + column.total_compressed_size - 1] ^= 1
            try:
                verify(bytes(damaged))
            except OSError as error:
                assert "CRC" in str(error), error
            else:
                raise AssertionError(f"{column.path_in_schema} of row group {group} has no checksum")


def pyarrow():
    lines = {}
    exec(lines_of("readme.py"), lines)
    paths = glob.glob("**/data.parquet", recursive=True)
    checksums(paths[0])
    for path in paths:
        for labels, samples, histograms in lines["read"](path):
            for at, value in samples:
                tell(labels, at, value=value)
            for histogram in histograms or []:
                tell(labels, histogram.pop("timestamp"), histogram=histogram)


def duckdb():
    import duckdb as db

    connection = db.connect()
    connection.execute(lines_of("readme.sql"))
    for view in ["samples", "histograms"]:
        cursor = connection.execute(f"SELECT * FROM {view}")
        names = [column[0] for column in cursor.description]
        for row in cursor.fetchall():
            row = dict(zip(names, row))
            promoted = {name: row.pop(name) for name in names if name.startswith("label.")}
            labels = {name.removeprefix("label."): value for name, value in promoted.items() if value is not None}
            labels |= row.pop("labels")
            if view == "samples":
                tell(labels, row["timestamp"], value=row["value"])
            else:
                tell(labels, row.pop("timestamp"), histogram=row)


{"pyarrow": pyarrow, "duckdb": duckdb}[sys.argv[1]]()
