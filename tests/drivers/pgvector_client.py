"""pgvector's Python client with psycopg 3, psycopg2 and SQLAlchemy."""

import sys

import numpy
import pgvector.psycopg
import pgvector.psycopg2
import psycopg
import psycopg2
import sqlalchemy as sa
from pgvector.sqlalchemy import Vector
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

ROWS = [[1, 0, 0], [0, 1, 0], [0.9, 0.1, 0], [0, 0, 5]]


def numbers(vector) -> list[float]:
    """Of a vector in whichever form this release of the client gives it."""
    return vector.to_list() if hasattr(vector, "to_list") else list(vector)


def nearest(execute, vector) -> None:
    """The three operators, with and without an index."""
    for index in (None, "vector_l2_ops", "vector_cosine_ops", "vector_ip_ops"):
        if index:
            execute(f"CREATE INDEX driver_items_{index} ON driver_items USING hnsw (embedding {index}) WITH (m = 8)", ())
        for operator, expected in (("<->", [1, 3, 2]), ("<=>", [1, 3, 2]), ("<#>", [1, 3, 2])):
            rows = execute(f"SELECT id FROM driver_items ORDER BY embedding {operator} %s, id LIMIT 3", (vector,))
            assert [row[0] for row in rows] == expected, (index, operator, rows)
    (row,) = execute("SELECT embedding, embedding <-> %s FROM driver_items WHERE id = 2", (vector,))
    assert numbers(row[0]) == [0, 1, 0] and abs(row[1] - 2**0.5) < 1e-6, row


def psycopg3(port: int) -> None:
    with psycopg.connect(f"host=127.0.0.1 port={port} user=ann dbname=sinew", autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        pgvector.psycopg.register_vector(connection)
        connection.execute("DROP TABLE IF EXISTS driver_items")
        connection.execute("CREATE TABLE driver_items (id int PRIMARY KEY, embedding vector(3))")
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO driver_items VALUES (%s, %s)", [(i + 1, numpy.array(row)) for i, row in enumerate(ROWS)]
            )

        def execute(text, args):
            cursor = connection.execute(text, args)
            return cursor.fetchall() if cursor.description else []

        nearest(execute, numpy.array([1, 0, 0]))
        with connection.cursor().copy("COPY driver_items (id, embedding) FROM STDIN WITH (FORMAT BINARY)") as copy:
            copy.set_types(["int4", "vector"])
            copy.write_row((10, numpy.array([3.0, 3.0, 3.0])))
        rows = connection.cursor(binary=True).execute("SELECT embedding FROM driver_items WHERE id = 10").fetchall()
        assert numbers(rows[0][0]) == [3, 3, 3], rows
        connection.execute("DROP TABLE driver_items")
    print("pgvector with psycopg 3: ok")


def psycopg_2(port: int) -> None:
    connection = psycopg2.connect(host="127.0.0.1", port=port, user="ann", dbname="sinew")
    pgvector.psycopg2.register_vector(connection)
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE driver_items (id int PRIMARY KEY, embedding vector(3))")
        for i, row in enumerate(ROWS):
            cursor.execute("INSERT INTO driver_items VALUES (%s, %s)", (i + 1, numpy.array(row)))

        def execute(text, args):
            cursor.execute(text, args)
            return cursor.fetchall() if cursor.description else []

        nearest(execute, numpy.array([1, 0, 0]))
        cursor.execute("DROP TABLE driver_items")
    connection.close()
    print("pgvector with psycopg2: ok")


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "driver_items"
    id: Mapped[int] = mapped_column(primary_key=True)
    embedding: Mapped[list[float]] = mapped_column(Vector(3))


def sqlalchemy(port: int) -> None:
    engine = sa.create_engine(f"postgresql+psycopg://ann@127.0.0.1:{port}/sinew")
    Base.metadata.create_all(engine)
    index = sa.Index(
        "driver_items_hnsw",
        Item.embedding,
        postgresql_using="hnsw",
        postgresql_with={"m": 16, "ef_construction": 64},
        postgresql_ops={"embedding": "vector_l2_ops"},
    )
    index.create(engine)
    with Session(engine) as session:
        session.add_all([Item(embedding=row) for row in ROWS])
        session.commit()
        for distance in (Item.embedding.l2_distance, Item.embedding.cosine_distance, Item.embedding.max_inner_product):
            found = session.scalars(sa.select(Item.id).order_by(distance([1, 0, 0]), Item.id).limit(3)).all()
            assert len(found) == 3 and found[0] == 1, found
        item = session.get(Item, 1)
        assert numbers(item.embedding) == [1, 0, 0], item.embedding
    (column,) = [column for column in sa.inspect(engine).get_columns("driver_items") if column["name"] == "embedding"]
    assert isinstance(column["type"], Vector) and column["type"].dim == 3, column
    Base.metadata.drop_all(engine)
    print("pgvector with SQLAlchemy: ok")


if __name__ == "__main__":
    port = int(sys.argv[1])
    psycopg3(port)
    psycopg_2(port)
    sqlalchemy(port)
