"""A Flask route that commits one row."""

import os
from functools import cache

import sqlalchemy as sa
from flask import Flask, Response, request

app = Flask(__name__)
rows = sa.Table(
    "rows",
    sa.MetaData(),
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("sender", sa.Text),
    sa.Column("text", sa.Text),
)


@cache
def engine() -> sa.Engine:
    """Connect, once in each process."""
    return sa.create_engine(os.environ["BARE_DATABASE_URL"], pool_size=10)


@app.post("/sms")
def take() -> Response:
    """Commit a row, and say yes."""
    with engine().begin() as connection:
        connection.execute(
            rows.insert().values(sender=request.form["from"], text=request.form["text"])
        )
    return Response(status=200)


if __name__ == "__main__":
    rows.create(engine())
