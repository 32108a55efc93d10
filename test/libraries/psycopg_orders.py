"""What docs/guides/intents.md says of psycopg, on the database named by the first argument. Prints the ids that it was told as JSON."""

import json
import sys

import psycopg
from psycopg.types.json import Jsonb

AWKWARD = 'a "quoted" \\ back\\slash, it\'s %s $1 \n 漢字 🚢'


def pay(connection: psycopg.Connection, order: int) -> str:
    connection.execute("INSERT INTO orders (id) VALUES (%s)", [order])
    row = connection.execute(
        "SELECT holdfast.enqueue('ship', %s, key => %s)", [Jsonb({"order": AWKWARD}), f"order-{order}"]
    ).fetchone()
    connection.execute("SELECT holdfast.signal(%s, %s, %s)", [row[0], "approved", Jsonb({"by": AWKWARD})])
    connection.execute(
        "SELECT holdfast.signal(definition => 'ship', key => %s, name => 'paid')", [f"order-{order}"]
    )
    return row[0]


def refusal(connection: psycopg.Connection, call: str, values: list) -> dict:
    try:
        with connection.transaction():
            connection.execute(f"SELECT holdfast.{call}", values)
    except psycopg.errors.InvalidParameterValue as error:
        return {"message": error.diag.message_primary, "hint": error.diag.message_hint}
    raise AssertionError(f"holdfast.{call} was not refused")


def main(url: str) -> dict:
    with psycopg.connect(url, autocommit=True) as connection:
        with connection.transaction():
            kept = pay(connection, 1)
        lost = []
        try:
            with connection.transaction():
                lost.append(pay(connection, 2))
                raise RuntimeError("never mind")
        except RuntimeError:
            pass
        with connection.pipeline(), connection.transaction():
            cancelled = pay(connection, 3)
            connection.execute(
                "SELECT holdfast.cancel(definition => 'ship', key => %s, reason => %s)", ["order-3", AWKWARD]
            )
        refused = [
            refusal(connection, "signal(%s, %s)", ["17", "approved"]),
            refusal(connection, "enqueue('ship', key => %s)", [""]),
        ]
    return {"kept": kept, "lost": lost[0], "cancelled": cancelled, "refused": refused, "awkward": AWKWARD}


print(json.dumps(main(sys.argv[1])))
