#!/usr/bin/env python3
"""Creates an order, pays it, ships it, and reads it back, with clients that are made of the OpenAPI
documents of the services.

    pip install openapi-python-client httpx attrs python-dateutil
    openapi-python-client generate --meta none --output-path commands_client \\
        --url http://127.0.0.1:8080/openapi.json
    openapi-python-client generate --meta none --output-path queries_client \\
        --url http://127.0.0.1:8081/openapi.json
    python3 client.py http://127.0.0.1:8080 http://127.0.0.1:8081
"""

import sys
import uuid

from commands_client import Client as Commands
from commands_client.api.commands import create_order, process_payment, ship_products
from commands_client.models import CreateOrderBody, ProcessPaymentBody, Problem, ShipProductsBody
from queries_client import Client as Queries
from queries_client.api.queries import read_orders_by_order_id

ORDER = {
    "customer_id": "C-00042",
    "currency": "EUR",
    "items": [{"sku": "P-0001", "name": "Lamp", "quantity": 2, "unit_price": 1250}],
}


def main(commands_url, queries_url):
    commands, queries = Commands(base_url=commands_url), Queries(base_url=queries_url)
    created = create_order.sync(client=commands, body=CreateOrderBody.from_dict(ORDER))
    order_id = created.order_id
    # The same request with the same key is carried out once.
    key = f'"{uuid.uuid4()}"'
    payment = ProcessPaymentBody(amount=2500)
    for _ in range(2):
        paid = process_payment.sync(order_id, client=commands, body=payment, idempotency_key=key)
        assert paid.version == 2, paid
    # A refusal is an answer with a type of its own.
    refused = process_payment.sync(order_id, client=commands, body=payment)
    assert isinstance(refused, Problem) and refused.rule == "overpayment", refused
    shipped = ship_products.sync_detailed(
        order_id, client=commands, body=ShipProductsBody(carrier="Post"), if_match='"2"'
    )
    # With the token of the shipment the answer contains the shipment.
    token = shipped.headers["consistency-token"]
    order = read_orders_by_order_id.sync(order_id, client=queries, consistency_token=token)
    assert (order.status, order.version, order.items[0].shipped) == ("shipped", 3, 2), order
    print(f"order {order_id}: {order.status}, {order.paid} of {order.total} {order.currency} paid")


if __name__ == "__main__":
    main(*sys.argv[1:])
