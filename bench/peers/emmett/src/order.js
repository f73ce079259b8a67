// The order: what a command leads to in a state, and the state after an event. Both say the same as
// orders/src/order/decide.rs and evolve.rs.

import { inBounds } from "./command.js";
import { illegal, unknown } from "./refused.js";

const anythingShipped = (order) => order.items.some((item) => item.shipped > 0);

const notCancelled = (order) => {
  if (order.status === "cancelled") throw illegal("The order is cancelled.");
};

const itemsAreOpen = (order) => {
  notCancelled(order);
  if (order.paid > 0) throw illegal("Items can't be changed once something is paid.");
  if (anythingShipped(order)) throw illegal("Items can't be changed once something is shipped.");
};

// What was asked for, if so much is left of each; or all that is left.
const parcels = (order, asked, left, nothing) => {
  if (asked === null) {
    const all = order.items
      .map((item) => ({ sku: item.sku, quantity: left(item) }))
      .filter(({ quantity }) => quantity > 0);
    if (all.length === 0) throw illegal(nothing);
    return all;
  }
  for (const { sku, quantity } of asked) {
    const item = order.items.find((candidate) => candidate.sku === sku);
    if (item === undefined) throw illegal(`The order has no ${sku}.`);
    if (quantity > left(item)) throw illegal(`${left(item)} of ${sku} are left, not ${quantity}.`);
  }
  return asked;
};

const deciders = {
  AddItem: (order, item) => {
    itemsAreOpen(order);
    if (order.items.some(({ sku }) => sku === item.sku)) {
      throw illegal(`The order has ${item.sku} already; remove it first.`);
    }
    inBounds([...order.items, item]);
    return ["ItemAdded", item];
  },
  RemoveItem: (order, { sku }) => {
    itemsAreOpen(order);
    if (!order.items.some((item) => item.sku === sku)) throw illegal(`The order has no ${sku}.`);
    if (order.items.length === 1) throw illegal("An order has at least one item.");
    return ["ItemRemoved", { sku }];
  },
  ProcessPayment: (order, { amount, reference }) => {
    notCancelled(order);
    const owed = order.total - order.paid;
    if (amount > owed) throw illegal(`${owed} is owed, not ${amount}.`);
    return ["PaymentProcessed", { amount, reference }];
  },
  RefundPayment: (order, { amount, reason }) => {
    const net = order.paid - order.refunded;
    if (amount > net) throw illegal(`${net} is left of what was paid, not ${amount}.`);
    return ["PaymentRefunded", { amount, reason }];
  },
  ShipProducts: (order, { items, carrier, tracking }) => {
    notCancelled(order);
    if (order.paid < order.total) throw illegal("An order is shipped once it is paid in full.");
    if (order.status === "refunded") throw illegal("All that was paid is refunded.");
    const left = (item) => item.quantity - item.shipped;
    const sent = parcels(order, items, left, "Nothing is left to ship.");
    return ["ProductShipped", { items: sent, carrier, tracking }];
  },
  DeliverProducts: (order, { items }) => {
    notCancelled(order);
    const left = (item) => item.shipped - item.delivered;
    return ["ProductDelivered", { items: parcels(order, items, left, "Nothing is on its way.") }];
  },
  CancelOrder: (order, { reason }) => {
    notCancelled(order);
    if (anythingShipped(order)) throw illegal("Something is shipped already.");
    return ["OrderCancelled", { reason }];
  },
};

// An event, or an error that refuses the command.
export const decide = ({ type, id, data, now }, order) => {
  const metadata = { recorded_at: now.toISOString() };
  if (type === "CreateOrder") {
    if (order !== null) throw illegal(`Order ${id} was created before.`);
    inBounds(data.items);
    return { type: "OrderCreated", data: { order_id: id, ...data }, metadata };
  }
  if (order === null) throw unknown("There is no order by this id.");
  const [event, content] = deciders[type](order, data);
  return { type: event, data: content, metadata };
};

const totalOf = (items) => items.reduce((sum, { quantity, unit_price }) => sum + quantity * unit_price, 0);

const fresh = (item) => ({ ...item, shipped: 0, delivered: 0 });

// Counts parcels on the items that they hold.
const send = (items, sent, field) =>
  items.map((item) => {
    const parcel = sent.find(({ sku }) => sku === item.sku);
    return parcel === undefined ? item : { ...item, [field]: item[field] + parcel.quantity };
  });

const appliers = {
  ItemAdded: (order, item) => ({ items: [...order.items, fresh(item)] }),
  ItemRemoved: (order, { sku }) => ({ items: order.items.filter((item) => item.sku !== sku) }),
  PaymentProcessed: (order, { amount }) => ({ paid: order.paid + amount }),
  PaymentRefunded: (order, { amount }) => ({ refunded: order.refunded + amount }),
  ProductShipped: (order, { items }) => ({ items: send(order.items, items, "shipped") }),
  ProductDelivered: (order, { items }) => ({ items: send(order.items, items, "delivered") }),
  OrderCancelled: () => ({}),
};

const statusOf = (order, cancelledNow) => {
  const all = (field) => order.items.every((item) => item[field] >= item.quantity);
  if (cancelledNow || order.status === "cancelled") return "cancelled";
  if (order.paid > 0 && order.refunded >= order.paid) return "refunded";
  if (all("delivered")) return "delivered";
  if (all("shipped")) return "shipped";
  if (anythingShipped(order)) return "partially_shipped";
  if (order.paid >= order.total) return "paid";
  return order.paid > 0 ? "partially_paid" : "created";
};

const place = ({ order_id, customer_id, currency, items, placed_at }) => ({
  order_id,
  customer_id,
  currency,
  items: items.map(fresh),
  paid: 0,
  refunded: 0,
  placed_at,
});

export const initialState = () => null;

export const evolve = (order, { type, data }) => {
  const next = type === "OrderCreated" ? place(data) : { ...order, ...appliers[type](order, data) };
  next.total = totalOf(next.items);
  next.status = statusOf(next, type === "OrderCancelled");
  return next;
};

// Every event, for the projection.
export const EVENTS = ["OrderCreated", ...Object.keys(appliers)];

// The view: the order, with the version and the time of its latest event.
export const project = (view, event) => ({
  ...evolve(view, event),
  version: Number(event.metadata.streamPosition),
  updated_at: event.metadata.recorded_at,
});
