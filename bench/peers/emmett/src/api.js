// Waybill's routes of orders over node's own HTTP server, as far as the load generator uses them.

import { randomUUID } from "node:crypto";
import { createServer } from "node:http";

import { parse } from "./command.js";
import { Refused, invalid, unknown } from "./refused.js";

// Method and segment of a path behind the order's id, with the command and the field in the path.
const ACTIONS = {
  "POST items": ["AddItem"],
  "DELETE items": ["RemoveItem", "sku"],
  "POST payments": ["ProcessPayment"],
  "POST refunds": ["RefundPayment"],
  "POST shipments": ["ShipProducts"],
  "POST deliveries": ["DeliverProducts"],
  "POST cancellation": ["CancelOrder"],
};
const LONGEST_BODY = 1 << 20;
// Longer than any pause of the load generator.
const KEEP_ALIVE_MS = 60_000;
// Of MongoDB: a key that must be unique is there already.
const DUPLICATE_KEY = 11_000;
// Of Emmett: the stream is not at the version that was expected.
const CONCURRENCY_ERROR = 412;

const readBody = async (request) => {
  let body = "";
  request.setEncoding("utf8");
  for await (const chunk of request) {
    body += chunk;
    if (body.length > LONGEST_BODY) throw new Refused(413, "The body is too large.");
  }
  if (body === "") return {};
  try {
    return JSON.parse(body);
  } catch (error) {
    throw new Refused(400, error.message);
  }
};

const commandOf = (method, [id, segment, parameter], fields) => {
  const now = new Date();
  if (id === undefined) {
    if (method !== "POST") throw unknown("There is no such route.");
    return parse("CreateOrder", fields.order_id ?? randomUUID(), fields, now);
  }
  const [type, field] = ACTIONS[`${method} ${segment}`] ?? [];
  if (type === undefined || (field === undefined) !== (parameter === undefined)) {
    throw unknown("There is no such route.");
  }
  if (field !== undefined) fields[field] = decodeURIComponent(parameter);
  return parse(type, id, fields, now);
};

const route = async (store, request) => {
  const [, resource, ...rest] = request.url.split("/");
  if (resource === "readyz") return [200, { status: "ready" }];
  if (resource !== "orders") throw unknown("There is no such route.");
  if (request.method === "GET") {
    const view = await store.find(rest[0]);
    if (view === null) throw unknown("There is no such order.");
    const { _metadata, ...order } = view;
    return [200, order];
  }
  const fields = await readBody(request);
  if (typeof fields !== "object" || fields === null) throw invalid("expected a JSON object");
  const command = commandOf(request.method, rest, fields);
  const { nextExpectedStreamVersion } = await store.carryOut(command);
  const status = command.type === "CreateOrder" ? 201 : 200;
  return [status, { order_id: command.id, version: Number(nextExpectedStreamVersion) }];
};

const statusOf = (error) => {
  if (error instanceof Refused) return error.status;
  if (error.code === DUPLICATE_KEY || error.errorCode === CONCURRENCY_ERROR) return 409;
  return 500;
};

const answer = async (store, request) => {
  try {
    return await route(store, request);
  } catch (error) {
    const status = statusOf(error);
    if (status === 500) console.error(error);
    return [status, { detail: error.message }];
  }
};

export const serve = (store) => {
  const server = createServer(async (request, response) => {
    const [status, content] = await answer(store, request);
    const body = Buffer.from(JSON.stringify(content));
    response.writeHead(status, { "content-type": "application/json", "content-length": body.length });
    response.end(body);
  });
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  return server;
};
