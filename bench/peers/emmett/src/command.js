// Reads commands: the shape of each field, and the bounds that hold in every state of an order.

import { invalid } from "./refused.js";

const MAX_ITEMS = 500;
const MAX_UNITS = 1_000_000;
const MAX_TOTAL = 1_000_000_000_000;
const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const CURRENCY = /^[A-Z]{3}$/;
// eslint-disable-next-line no-control-regex
const TEXT = /^[^\x00-\x1f\x7f-\x9f]+$/;

const text = (value, longest, name) => {
  if (typeof value !== "string" || value.length > longest || !TEXT.test(value)) {
    throw invalid(`${name}: expected a text of at most ${longest} characters`);
  }
  return value;
};

const note = (value, name) => (value === undefined || value === null ? null : text(value, 500, name));

const whole = (value, least, name) => {
  if (!Number.isSafeInteger(value) || value < least) {
    throw invalid(`${name}: expected a whole number from ${least} on`);
  }
  return value;
};

export const orderId = (value) => {
  if (typeof value !== "string" || !ID.test(value)) throw invalid("order_id: expected a UUID");
  return value.toLowerCase();
};

const item = ({ sku, name, quantity, unit_price }) => ({
  sku: text(sku, 64, "sku"),
  name: text(name, 200, "name"),
  quantity: whole(quantity, 1, "quantity"),
  unit_price: whole(unit_price, 0, "unit_price"),
});

const parcel = ({ sku, quantity }) => ({
  sku: text(sku, 64, "sku"),
  quantity: whole(quantity, 1, "quantity"),
});

const list = (values, read) => {
  if (!Array.isArray(values) || values.length === 0 || values.length > MAX_ITEMS) {
    throw invalid(`items: expected 1 to ${MAX_ITEMS}`);
  }
  const items = values.map(read);
  if (new Set(items.map(({ sku }) => sku)).size < items.length) {
    throw invalid("items: expected each sku once");
  }
  return items;
};

const parcels = (values) => (values === undefined || values === null ? null : list(values, parcel));

export const inBounds = (items) => {
  let [units, total] = [0, 0];
  for (const { quantity, unit_price } of items) {
    units += quantity;
    total += quantity * unit_price;
  }
  if (items.length > MAX_ITEMS || units > MAX_UNITS || total > MAX_TOTAL) {
    throw invalid("The order would be too large.");
  }
};

const readers = {
  CreateOrder: (fields, now) => {
    const placedAt = fields.placed_at === undefined ? now : new Date(fields.placed_at);
    if (Number.isNaN(placedAt.getTime())) throw invalid("placed_at: expected a time");
    if (!CURRENCY.test(fields.currency)) throw invalid("currency: expected a code of ISO 4217");
    return {
      customer_id: text(fields.customer_id, 128, "customer_id"),
      currency: fields.currency,
      items: list(fields.items, item),
      placed_at: placedAt.toISOString(),
    };
  },
  AddItem: item,
  RemoveItem: ({ sku }) => ({ sku: text(sku, 64, "sku") }),
  ProcessPayment: ({ amount, reference }) => ({
    amount: whole(amount, 1, "amount"),
    reference: note(reference, "reference"),
  }),
  RefundPayment: ({ amount, reason }) => ({
    amount: whole(amount, 1, "amount"),
    reason: note(reason, "reason"),
  }),
  ShipProducts: ({ items, carrier, tracking }) => ({
    items: parcels(items),
    carrier: note(carrier, "carrier"),
    tracking: note(tracking, "tracking"),
  }),
  DeliverProducts: ({ items }) => ({ items: parcels(items) }),
  CancelOrder: ({ reason }) => ({ reason: note(reason, "reason") }),
};

// The command with what it says, once that is checked.
export const parse = (type, id, fields, now) => {
  if (typeof fields !== "object" || fields === null || Array.isArray(fields)) {
    throw invalid("expected a JSON object");
  }
  return { type, id: orderId(id), data: readers[type](fields, now), now };
};
