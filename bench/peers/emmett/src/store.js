// Emmett over MongoDB: its event store with the inline projection of the order, and its command handler.

import { DeciderCommandHandler, projections } from "@event-driven-io/emmett";
import { getMongoDBEventStore, mongoDBInlineProjection, toStreamName } from "@event-driven-io/emmett-mongodb";
import { MongoClient } from "mongodb";

import { EVENTS, decide, evolve, initialState, project } from "./order.js";

const STREAM_TYPE = "order";

export const open = async (url, connections) => {
  const client = new MongoClient(url, {
    // What Waybill asks for, too: an answer means that a majority has it in the journal.
    writeConcern: { w: "majority", journal: true },
    minPoolSize: connections,
    maxPoolSize: connections,
    serverSelectionTimeoutMS: 30_000,
  });
  await client.connect();
  const view = mongoDBInlineProjection({ canHandle: EVENTS, evolve: project, initialState });
  const store = getMongoDBEventStore({ client, projections: projections.inline([view]) });
  // Creates the collection and its index before the first command.
  await store.collectionFor(STREAM_TYPE);
  const handle = DeciderCommandHandler({
    decide,
    evolve,
    initialState,
    mapToStreamId: (id) => toStreamName(STREAM_TYPE, id),
  });
  return {
    carryOut: (command) => handle(store, command.id, command),
    find: (id) => store.projections.inline.findOne({ streamType: STREAM_TYPE, streamId: id }),
  };
};
