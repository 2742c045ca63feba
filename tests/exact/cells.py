"""Every cell of every table of a SQLite database, read by Python's own driver: class and bytes, reals by their bits.

One line a row: the table's name in hexadecimal, then the cells. Large values are told by their length and SHA-256.
Usage: cells.py DATABASE
"""

import hashlib
import sqlite3
import struct
import sys

TABLES = """SELECT l.name, s.sql FROM pragma_table_list l JOIN sqlite_schema s ON s.name = l.name AND s.type = 'table'
    WHERE l.schema = 'main' AND l.type IN ('table', 'virtual') AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"""


class Text(bytes):
    """A text as its bytes; a blob comes as plain bytes."""


def told(value):
    if value is None:
        return "n"
    if isinstance(value, int):
        return f"i{value}"
    if isinstance(value, float):
        return "r" + struct.pack(">d", value).hex()
    mark = "t" if isinstance(value, Text) else "b"
    if len(value) > 4000:
        return f"{mark}{len(value)}:{hashlib.sha256(value).hexdigest()}"
    return mark + value.hex()


def is_elsewhere(sql):
    """Full text without content of its own shows other tables' cells, or none."""
    words = sql.lower()
    return words.startswith("create virtual") and "fts" in words and "content" in words


def main(path):
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA query_only = ON")
    connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    tables = [name for name, sql in connection.execute(TABLES).fetchall() if not is_elsewhere(sql)]
    connection.text_factory = Text
    for table in tables:
        rows = connection.execute('SELECT * FROM "' + table.replace('"', '""') + '"')
        name = table.encode("utf-8", "surrogateescape").hex()
        for line in sorted(",".join(map(told, row)) for row in rows):
            print(name, line)


main(sys.argv[1])
