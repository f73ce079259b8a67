// Creates an order, pays it, ships it, and reads it back, with clients whose types are made of the
// OpenAPI documents of the services. With `waybill up` running:
//
//     npm install
//     npm run generate
//     npm start
//
// `npm start -- <URL of command-api> <URL of query-api>` asks services at other addresses.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import createClient from "openapi-fetch";
import type { paths as Commands } from "./commands.js";
import type { paths as Queries } from "./queries.js";

const [commandsUrl = "http://127.0.0.1:8080", queriesUrl = "http://127.0.0.1:8081"] = process.argv.slice(2);
const commands = createClient<Commands>({ baseUrl: commandsUrl });
const queries = createClient<Queries>({ baseUrl: queriesUrl });

const created = await commands.POST("/orders", {
  body: {
    customer_id: "C-00042",
    currency: "EUR",
    items: [{ sku: "P-0001", name: "Lamp", quantity: 2, unit_price: 1250 }],
  },
});
assert(created.data, JSON.stringify(created.error));
const order_id = created.data.order_id;

// The same request with the same key is carried out once.
const header = { "Idempotency-Key": `"${randomUUID()}"` };
const payment = { params: { path: { order_id }, header }, body: { amount: 2500 } };
for (const _ of [1, 2]) {
  const paid = await commands.POST("/orders/{order_id}/payments", payment);
  assert.equal(paid.data?.version, 2, JSON.stringify(paid.error));
}

// A refusal is an answer with a type of its own.
const refused = await commands.POST("/orders/{order_id}/payments", {
  params: { path: { order_id } },
  body: { amount: 2500 },
});
assert.equal(refused.response.status, 409);
assert.equal(refused.error?.rule, "overpayment");

const shipped = await commands.POST("/orders/{order_id}/shipments", {
  params: { path: { order_id }, header: { "If-Match": '"2"' } },
  body: { carrier: "Post" },
});
assert(shipped.data, JSON.stringify(shipped.error));

// With the token of the shipment the answer contains the shipment.
const token = shipped.response.headers.get("consistency-token");
assert(token);
const read = await queries.GET("/orders/{order_id}", {
  params: { path: { order_id }, header: { "Consistency-Token": token } },
});
assert(read.data, JSON.stringify(read.error));
const order = read.data;
assert.deepEqual([order.status, order.version, order.items[0]?.shipped], ["shipped", 3, 2]);
console.log(`order ${order_id}: ${order.status}, ${order.paid} of ${order.total} ${order.currency} paid`);
